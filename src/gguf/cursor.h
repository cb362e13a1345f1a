// Cursor: reads little-endian values from untrusted bytes, one after the other, and never past
// their end. Not thread-safe; does not own the bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace quern {

class Cursor {
 public:
  explicit Cursor(ByteSpan bytes) : bytes_(bytes) {}

  uint64_t position() const { return position_; }
  uint64_t n_remaining() const { return bytes_.size() - position_; }

  // The next n bytes; nullopt, and no step, when there are fewer.
  std::optional<ByteSpan> take(uint64_t n) {
    if (n > n_remaining()) {
      return std::nullopt;
    }
    const ByteSpan taken = bytes_.subspan(position_, n);
    position_ += n;
    return taken;
  }

  template <typename T>
  std::optional<T> number() {
    if (sizeof(T) > n_remaining()) {
      return std::nullopt;
    }
    const T value = load_le<T>(bytes_.data() + position_);
    position_ += sizeof(T);
    return value;
  }

  // A u64 length and that many bytes; nullopt when they are not all there.
  std::optional<std::string_view> string() {
    const auto n = number<uint64_t>();
    if (!n || *n > n_remaining()) {
      return std::nullopt;
    }
    const ByteSpan taken = bytes_.subspan(position_, *n);
    position_ += *n;
    return std::string_view(reinterpret_cast<const char*>(taken.data()), taken.size());
  }

 private:
  ByteSpan bytes_;
  uint64_t position_ = 0;
};

}  // namespace quern
