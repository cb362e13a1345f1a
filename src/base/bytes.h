// Spans of raw bytes, and little-endian loads that need no alignment.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>

namespace quern {

using ByteSpan = std::span<const std::byte>;

// Reads a T from `bytes`, which must hold at least sizeof(T). The host is little-endian (checked by
// the build).
template <typename T>
  requires std::is_trivially_copyable_v<T>
T load_le(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

}  // namespace quern
