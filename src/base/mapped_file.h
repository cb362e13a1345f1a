// MappedFile: a whole file mapped read-only into memory. Thread-safe to read; move-only; owns the
// mapping, which ends with the object, and every span it handed out with it.
//
// The bytes are the file's, not a copy: who cuts or rewrites the file changes them. Reading what
// was cut off ends the process, unless the mapping guard was installed before the file was opened
// (mapping_guard.h). Ask check_intact() before you trust what you read.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/bytes.h"
#include "base/fail_point.h"
#include "base/mapping_guard.h"
#include "base/result.h"

namespace quern {

// Tells one state of one file from another.
struct FileVersion {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t n_bytes = 0;
  int64_t modified_s = 0;
  int64_t modified_ns = 0;  // beyond modified_s
  bool operator==(const FileVersion&) const = default;
};

class MappedFile {
 public:
  // Fails with not_found when there is no such file, invalid_input when the path is not a regular
  // file, and io when the system refuses. The fail points hit are mmap, here, and read, in
  // check_intact().
  static Result<MappedFile> open(const std::filesystem::path& path,
                                 FailPoints* fail_points = nullptr);

  MappedFile() = default;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  uint64_t n_bytes() const { return bytes_.size(); }
  ByteSpan bytes() const { return bytes_; }

  // Whether the mapping guard had to put zeros for bytes that could not be read.
  bool is_poisoned() const { return guard_.is_poisoned(); }
  // An io error unless all bytes read so far are those of the file as it was opened: none was lost,
  // and the file was neither cut nor written to since.
  Status check_intact() const;

  // Lets the system drop the pages that lie wholly inside [offset, offset + n_bytes), which must be
  // within the file; they are read again from disk if touched.
  void advise_dontneed(uint64_t offset, uint64_t n_bytes) const;

 private:
  Status map(int descriptor);
  void swap(MappedFile& other) noexcept;

  ByteSpan bytes_;  // empty for an empty file, which has no mapping
  GuardedMapping guard_;
  std::filesystem::path path_;
  FileVersion version_;
  FailPoints* fail_points_ = nullptr;
};

}  // namespace quern
