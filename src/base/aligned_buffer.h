// AlignedBuffer: owned memory whose start fits any vector load, backed by big pages where they
// help. Not thread-safe. Move-only; memory is zero when fresh.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/result.h"

namespace quern {

// Big pages suit memory that is used whole; for memory that is used here and there each first touch
// would take, and clear, 2 MiB.
enum class Pages { small, big };

class AlignedBuffer {
 public:
  static constexpr size_t kAlignment = 64;  // one cache line, and one 512-bit register

  AlignedBuffer() = default;
  ~AlignedBuffer();
  AlignedBuffer(AlignedBuffer&& other) noexcept;
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept;
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;

  // Zeroed pages that are touched only when used; ErrorKind::out_of_memory when the system refuses.
  static Result<AlignedBuffer> allocate(uint64_t n_bytes, Pages pages = Pages::small);

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  size_t size() const { return n_bytes_; }
  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(data_);
  }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_);
  }

 private:
  void release();

  std::byte* data_ = nullptr;
  size_t n_bytes_ = 0;
};

}  // namespace quern
