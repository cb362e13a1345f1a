// MappedFile: a whole file mapped read-only into memory. Thread-safe to read; move-only; owns the
// mapping, which ends with the object, and every span it handed out with it.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/bytes.h"
#include "base/result.h"

namespace quern {

class MappedFile {
 public:
  // Fails with not_found when there is no such file, invalid_input when the path is not a regular
  // file, and io when the system refuses.
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile() = default;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  uint64_t n_bytes() const { return bytes_.size(); }
  ByteSpan bytes() const { return bytes_; }

  // Lets the system drop the pages that lie wholly inside [offset, offset + n_bytes), which must be
  // within the file; they are read again from disk if touched.
  void advise_dontneed(uint64_t offset, uint64_t n_bytes) const;

 private:
  explicit MappedFile(ByteSpan bytes) : bytes_(bytes) {}
  void unmap();

  ByteSpan bytes_;  // empty for an empty file, which has no mapping
};

}  // namespace quern
