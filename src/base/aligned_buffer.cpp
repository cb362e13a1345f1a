#include "base/aligned_buffer.h"

#include <sys/mman.h>

#include <string>
#include <utility>

namespace quern {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{1} << 47;      // the user half of the address space
constexpr uint64_t kBigPageBytes = uint64_t{2} << 20;  // x86-64 and most arm64 systems

}  // namespace

AlignedBuffer::~AlignedBuffer() {
  release();
}

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), n_bytes_(std::exchange(other.n_bytes_, 0)) {}

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    n_bytes_ = std::exchange(other.n_bytes_, 0);
  }
  return *this;
}

Result<AlignedBuffer> AlignedBuffer::allocate(uint64_t n_bytes, Pages pages) {
  AlignedBuffer buffer;
  if (n_bytes == 0) {
    return buffer;
  }
  void* memory = MAP_FAILED;
  if (n_bytes < kMaxBytes) {
    memory = mmap(nullptr, n_bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  if (memory == MAP_FAILED) {
    return fail({.kind = ErrorKind::out_of_memory,
                 .where = "memory",
                 .what = "cannot allocate " + std::to_string(n_bytes) + " bytes",
                 .expected = "a smaller model, context or pool"});
  }
  if (pages == Pages::big && n_bytes >= kBigPageBytes) {
    madvise(memory, n_bytes, MADV_HUGEPAGE);  // a hint: refusal changes nothing
  }
  buffer.data_ = static_cast<std::byte*>(memory);
  buffer.n_bytes_ = n_bytes;
  return buffer;
}

void AlignedBuffer::release() {
  if (data_ != nullptr) {
    munmap(data_, n_bytes_);
  }
}

}  // namespace quern
