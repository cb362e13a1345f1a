// GPT-2's printable stand-ins for bytes (Radford et al., 2019; bytes_to_unicode in its encoder.py):
// printable Latin-1 bytes stand for themselves, the other 68 follow from U+0100 on in byte order.
#include <array>
#include <cstdint>

#include "text/bpe.h"
#include "text/unicode.h"

namespace quern {
namespace {

constexpr uint32_t kMappedEnd = 0x100 + 68;

constexpr bool is_own_character(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

// Code point -> byte, or -1.
constexpr auto kByteOf = [] {
  std::array<int16_t, kMappedEnd> bytes{};
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 0x100; ++byte) {
    bytes[byte] = -1;
  }
  for (uint32_t byte = 0; byte < 0x100; ++byte) {
    bytes[is_own_character(byte) ? byte : next++] = static_cast<int16_t>(byte);
  }
  return bytes;
}();

}  // namespace

bool append_byte_level(std::string_view mapped, std::string& out) {
  const size_t before = out.size();
  out.resize(before + mapped.size());
  char* write = out.data() + before;
  const char* const end = mapped.data() + mapped.size();
  for (const char* at = mapped.data(); at < end;) {
    if (*at >= '!' && *at <= '~') {
      *write++ = *at++;
      continue;
    }
    const Char c = decode_char(at, end);
    if (c.code_point >= kMappedEnd || kByteOf[c.code_point] < 0) {
      out.resize(before);
      return false;
    }
    *write++ = static_cast<char>(kByteOf[c.code_point]);
    at += c.n_bytes;
  }
  out.resize(static_cast<size_t>(write - out.data()));
  return true;
}

std::string decode_byte_level(std::string_view mapped) {
  std::string bytes;
  bytes.reserve(mapped.size());
  return append_byte_level(mapped, bytes) ? bytes : std::string(mapped);
}

}  // namespace quern
