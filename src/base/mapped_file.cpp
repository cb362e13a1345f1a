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
               .what = fmt::format("{}: {}", action, std::generic_category().message(code)),
               .expected = missing ? "an existing file" : "a readable file",
               .file = path.string()});
}

FileVersion version_of(const struct stat& info) {
  return {.device = info.st_dev,
          .inode = info.st_ino,
          .n_bytes = static_cast<uint64_t>(info.st_size),
          .modified_s = info.st_mtim.tv_sec,
          .modified_ns = info.st_mtim.tv_nsec};
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

Result<MappedFile> MappedFile::open(const std::filesystem::path& path, FailPoints* fail_points) {
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
                 .what = "not a regular file",
                 .expected = "a file",
                 .file = path.string()});
  }
  MappedFile mapped;
  mapped.path_ = path;
  mapped.version_ = version_of(info);
  mapped.fail_points_ = fail_points;
  QUERN_TRY(mapped.map(file.get()));
  return mapped;
}

Status MappedFile::map(int descriptor) {
  if (version_.n_bytes == 0) {
    return {};
  }
  void* start = MAP_FAILED;
  if (fails_at(fail_points_, FailPoint::mmap)) {
    errno = ENOMEM;
  } else {
    start = ::mmap(nullptr, version_.n_bytes, PROT_READ, MAP_SHARED, descriptor, 0);
  }
  if (start == MAP_FAILED) {
    return system_error(path_, "cannot map");
  }
  bytes_ = ByteSpan(static_cast<const std::byte*>(start), version_.n_bytes);
  if (mapping_guard_installed()) {
    QUERN_ASSIGN(guard_, GuardedMapping::create(bytes_));
  }
  return {};
}

MappedFile::MappedFile(MappedFile&& other) noexcept {
  swap(other);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  MappedFile taken(std::move(other));
  swap(taken);
  return *this;
}

MappedFile::~MappedFile() {
  guard_ = {};  // first: once unmapped, the addresses may become another's
  if (!bytes_.empty()) {
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
}

void MappedFile::swap(MappedFile& other) noexcept {
  std::swap(bytes_, other.bytes_);
  std::swap(guard_, other.guard_);
  path_.swap(other.path_);
  std::swap(version_, other.version_);
  std::swap(fail_points_, other.fail_points_);
}

Status MappedFile::check_intact() const {
  // Another file may have taken the path's place, or none; the mapping then keeps the one it had.
  struct stat info{};
  const FileVersion now = ::stat(path_.c_str(), &info) == 0 ? version_of(info) : FileVersion();
  const bool changed =
      now.device == version_.device && now.inode == version_.inode && now != version_;
  if (is_poisoned() || changed || fails_at(fail_points_, FailPoint::read)) {
    return fail({.kind = ErrorKind::io,
                 .where = "file",
                 .what = changed ? "changed while it was read" : "lost bytes while it was read",
                 .expected = "a file that stays as it is; load it again",
                 .file = path_.string()});
  }
  return {};
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
