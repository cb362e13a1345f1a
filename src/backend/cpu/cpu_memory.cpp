#include "backend/cpu/cpu_memory.h"

#include "base/checked.h"

namespace quern {
namespace {

// Blocks smaller than this that ask for big pages share mappings: each matrix of a small model is
// less than one big page, and every small page costs a walk through the page tables once a token.
constexpr uint64_t kSharedBelow = uint64_t{16} << 20;
// Of such a mapping; what no block uses of it is never touched.
constexpr uint64_t kSlabBytes = uint64_t{64} << 20;

class ProcessBlock final : public CpuBlock {
 public:
  // The bytes from `at` on of memory that other blocks may share.
  ProcessBlock(std::shared_ptr<AlignedBuffer> memory, uint64_t at, uint64_t n_bytes)
      : memory_(std::move(memory)), data_(memory_->data() + at), n_bytes_(n_bytes) {}
  std::byte* data() override { return data_; }
  uint64_t n_bytes() const override { return n_bytes_; }

 private:
  std::shared_ptr<AlignedBuffer> memory_;
  std::byte* data_;
  uint64_t n_bytes_;
};

class ProcessMemory final : public CpuMemory {
 public:
  Result<std::unique_ptr<CpuBlock>> allocate(uint64_t n_bytes, Pages pages) override {
    if (pages == Pages::big && n_bytes < kSharedBelow) {
      return allocate_shared(n_bytes);
    }
    QUERN_ASSIGN(AlignedBuffer buffer, AlignedBuffer::allocate(n_bytes, pages));
    return std::make_unique<ProcessBlock>(std::make_shared<AlignedBuffer>(std::move(buffer)), 0,
                                          n_bytes);
  }

 private:
  Result<std::unique_ptr<CpuBlock>> allocate_shared(uint64_t n_bytes) {
    // Two blocks never share a cache line.
    const uint64_t rounded = *checked_align(n_bytes, AlignedBuffer::kAlignment);
    if (slab_ == nullptr || kSlabBytes - used_ < rounded) {
      QUERN_ASSIGN(AlignedBuffer slab, AlignedBuffer::allocate(kSlabBytes, Pages::big));
      slab_ = std::make_shared<AlignedBuffer>(std::move(slab));
      used_ = 0;
    }
    auto block = std::make_unique<ProcessBlock>(slab_, used_, n_bytes);
    used_ += rounded;
    return block;
  }

  std::shared_ptr<AlignedBuffer> slab_;  // the one that has room
  uint64_t used_ = 0;                    // bytes of it
};

}  // namespace

std::unique_ptr<CpuMemory> make_process_memory() {
  return std::make_unique<ProcessMemory>();
}

}  // namespace quern
