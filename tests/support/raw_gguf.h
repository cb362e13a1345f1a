// RawGguf: builds a GGUF file byte by byte, as ggml's docs/gguf.md lays it out, without the code
// under test, so that a test can write any wrong thing it likes.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace quern::test {

// The file's numbers of value types (gguf.md, gguf_metadata_value_type).
namespace wire {
inline constexpr uint32_t kU8 = 0, kI8 = 1, kU16 = 2, kI16 = 3, kU32 = 4, kI32 = 5, kF32 = 6,
                          kBool = 7, kString = 8, kArray = 9, kU64 = 10, kI64 = 11, kF64 = 12;
}

class RawGguf {
 public:
  template <typename T>
  RawGguf& put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
    return *this;
  }
  RawGguf& raw(std::string_view text) {
    bytes_ += text;
    return *this;
  }
  RawGguf& string(std::string_view text) { return put<uint64_t>(text.size()).raw(text); }

  RawGguf& header(uint64_t n_tensors, uint64_t n_pairs, uint32_t version = 3) {
    return raw("GGUF").put(version).put(n_tensors).put(n_pairs);
  }
  RawGguf& key(std::string_view name, uint32_t type) { return string(name).put(type); }
  template <typename T>
  RawGguf& scalar(std::string_view name, uint32_t type, T value) {
    return key(name, type).put(value);
  }
  RawGguf& text(std::string_view name, std::string_view value) {
    return key(name, wire::kString).string(value);
  }
  RawGguf& array(std::string_view name, uint32_t element_type, uint64_t n) {
    return key(name, wire::kArray).put(element_type).put(n);
  }
  // A tensor of one dimension.
  RawGguf& tensor(std::string_view name, uint64_t n, uint64_t offset) {
    return string(name).put<uint32_t>(1).put(n).template put<uint32_t>(0).put(offset);
  }
  RawGguf& pad(size_t alignment = 32) {
    bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment, '\0');
    return *this;
  }
  RawGguf& zeros(size_t n) {
    bytes_.append(n, '\0');
    return *this;
  }

  const std::string& text() const { return bytes_; }
  ByteSpan bytes() const {
    return {reinterpret_cast<const std::byte*>(bytes_.data()), bytes_.size()};
  }

 private:
  std::string bytes_;
};

}  // namespace quern::test
