// Unicode for splitting text: strict UTF-8 decoding that loses nothing, and the classes of
// characters that the pre-tokenizers' expressions name (\p{L}, \s, ...). Pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace quern {

// A set of character classes, as bits.
using CharClass = uint16_t;
inline constexpr CharClass kUpper = 1;         // Lu, Lt
inline constexpr CharClass kLower = 2;         // Ll
inline constexpr CharClass kOtherLetter = 4;   // Lm, Lo
inline constexpr CharClass kMark = 8;          // M
inline constexpr CharClass kDecimal = 16;      // Nd, the expressions' \d
inline constexpr CharClass kOtherNumber = 32;  // Nl, No
inline constexpr CharClass kPunct = 64;        // P
inline constexpr CharClass kSymbol = 128;      // S
inline constexpr CharClass kSpace = 256;       // White_Space, the expressions' \s
inline constexpr CharClass kNewline = 512;     // \r and \n, which are kSpace too
inline constexpr CharClass kConnector = 1024;  // Pc, which is kPunct too
inline constexpr CharClass kLetter = kUpper | kLower | kOtherLetter;
inline constexpr CharClass kNumber = kDecimal | kOtherNumber;
inline constexpr CharClass kWordChar = kLetter | kMark | kNumber | kConnector;  // \w

// U+FFFD stands for a byte that is not part of well-formed UTF-8.
inline constexpr uint32_t kReplacement = 0xFFFD;

struct Char {
  uint32_t code_point;
  uint32_t n_bytes;  // 1 for an ill-formed byte
};

namespace detail {

CharClass class_beyond_ascii(uint32_t code_point);
Char decode_beyond_ascii(const char* at, const char* end);

constexpr CharClass ascii_class(uint32_t c) {
  if (c >= 'A' && c <= 'Z') {
    return kUpper;
  }
  if (c >= 'a' && c <= 'z') {
    return kLower;
  }
  if (c >= '0' && c <= '9') {
    return kDecimal;
  }
  if (c == '\r' || c == '\n') {
    return kSpace | kNewline;
  }
  if (c == ' ' || (c >= 9 && c <= 13)) {
    return kSpace;
  }
  if (c < 32 || c == 127) {
    return 0;
  }
  if (c == '_') {
    return kPunct | kConnector;
  }
  return std::string_view("$+<=>^`|~").contains(static_cast<char>(c)) ? kSymbol : kPunct;
}

inline constexpr auto kAsciiClasses = [] {
  std::array<CharClass, 128> classes{};
  for (uint32_t c = 0; c < 128; ++c) {
    classes[c] = ascii_class(c);
  }
  return classes;
}();

}  // namespace detail

// The classes of a code point, by its general category; 0 for controls, formats, unassigned ones.
inline CharClass char_class(uint32_t code_point) {
  return code_point < 128 ? detail::kAsciiClasses[code_point]
                          : detail::class_beyond_ascii(code_point);
}

// The character that starts at `at` < `end`. Ill-formed bytes (Unicode 15, table 3-7) come one by
// one as kReplacement.
inline Char decode_char(const char* at, const char* end) {
  // `at` < `end` rules out null, which the analyzer loses track of in long chains of stages.
  // NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
  const auto lead = static_cast<unsigned char>(*at);
  if (lead < 128) {
    return {lead, 1};
  }
  if (lead >= 0xC2 && lead < 0xE0 && end - at > 1 && (at[1] & 0xC0) == 0x80) {
    return {((lead & 0x1FU) << 6) | (static_cast<unsigned char>(at[1]) & 0x3FU), 2};
  }
  return detail::decode_beyond_ascii(at, end);
}

// Appends the UTF-8 form of a code point below 0x110000.
void append_utf8(uint32_t code_point, std::string& out);

// The code points whose Script property is Han (Unicode 15.1, Scripts.txt).
bool is_han(uint32_t code_point);

}  // namespace quern
