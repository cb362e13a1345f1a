#include "base/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/check.h"

namespace quern {
namespace {

std::unexpected<Error> system_error(const std::filesystem::path& path, std::string_view action) {
  const int code = errno;
  const bool missing = code == ENOENT || code == ENOTDIR;
  return fail({.kind = missing ? ErrorKind::not_found : ErrorKind::io,
               .where = "file",
               .what = fmt::format("{} '{}': {}", action, path.string(),
                                   std::generic_category().message(code)),
               .expected = missing ? "an existing file" : "a readable file"});
}

// Closes the descriptor on every way out; a mapping outlives its descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  // O_NONBLOCK: a FIFO must not hang the program before it is refused.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    return system_error(path, "cannot open");
  }
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) {
    return system_error(path, "cannot examine");
  }
  if (!S_ISREG(info.st_mode)) {
    return fail({.kind = ErrorKind::invalid_input,
                 .where = "file",
                 .what = fmt::format("'{}' is not a regular file", path.string()),
                 .expected = "a file"});
  }
  const auto n_bytes = static_cast<size_t>(info.st_size);
  if (n_bytes == 0) {
    return MappedFile();
  }
  void* const start = ::mmap(nullptr, n_bytes, PROT_READ, MAP_SHARED, file.get(), 0);
  if (start == MAP_FAILED) {
    return system_error(path, "cannot map");
  }
  return MappedFile(ByteSpan(static_cast<const std::byte*>(start), n_bytes));
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    unmap();
    bytes_ = std::exchange(other.bytes_, {});
  }
  return *this;
}

MappedFile::~MappedFile() {
  unmap();
}

void MappedFile::unmap() {
  if (!bytes_.empty()) {
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
}

void MappedFile::advise_dontneed(uint64_t offset, uint64_t n_bytes) const {
  QUERN_CHECK(offset <= bytes_.size() && n_bytes <= bytes_.size() - offset);
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t begin = (offset + page - 1) / page * page;
  const uint64_t end = (offset + n_bytes) / page * page;
  if (begin < end) {
    // Only advice: a refusal changes nothing that a caller could act on.
    ::madvise(const_cast<std::byte*>(bytes_.data()) + begin, end - begin, MADV_DONTNEED);
  }
}

}  // namespace quern
