// Strict UTF-8, one character at a time. Source: Unicode 15, table 3-7 (well-formed sequences).
// Header-only because every tokenizer calls it once per character.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace quern {

inline constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";
inline constexpr char32_t kReplacementCharacter = 0xFFFD;

struct Utf8Char {
  char32_t code = kReplacementCharacter;
  uint32_t n_bytes = 1;  // when invalid: the maximal subpart, which one U+FFFD stands for
  bool valid = false;
  bool truncated = false;  // invalid only because the text ends; more bytes could complete it
};

// The range that the byte after `lead` must lie in, and how many bytes the character has.
struct Utf8Lead {
  uint32_t n_bytes;
  uint8_t second_min;
  uint8_t second_max;
};

// n_bytes 0: no character starts with this byte.
constexpr Utf8Lead utf8_lead(uint8_t lead) {
  if (lead < 0x80) {
    return {1, 0, 0};
  }
  if (lead < 0xC2 || lead > 0xF4) {
    return {0, 0, 0};
  }
  if (lead < 0xE0) {
    return {2, 0x80, 0xBF};
  }
  if (lead < 0xF0) {
    // E0 would allow overlong forms below A0; ED would allow surrogates above 9F.
    return {3, static_cast<uint8_t>(lead == 0xE0 ? 0xA0 : 0x80),
            static_cast<uint8_t>(lead == 0xED ? 0x9F : 0xBF)};
  }
  // F0 would allow overlong forms below 90; F4 would pass U+10FFFF above 8F.
  return {4, static_cast<uint8_t>(lead == 0xF0 ? 0x90 : 0x80),
          static_cast<uint8_t>(lead == 0xF4 ? 0x8F : 0xBF)};
}

// The character at `text[0]`; `text` must not be empty.
inline Utf8Char decode_utf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const Utf8Lead lead = utf8_lead(byte(0));
  if (lead.n_bytes == 1) {
    return {byte(0), 1, true, false};
  }
  if (lead.n_bytes == 0) {
    return {};
  }
  auto code = static_cast<char32_t>(byte(0) & (0x7F >> lead.n_bytes));
  for (uint32_t i = 1; i < lead.n_bytes; ++i) {
    if (i >= text.size()) {
      return {kReplacementCharacter, i, false, true};
    }
    const uint8_t low = i == 1 ? lead.second_min : 0x80;
    const uint8_t high = i == 1 ? lead.second_max : 0xBF;
    if (byte(i) < low || byte(i) > high) {
      return {kReplacementCharacter, i, false, false};
    }
    code = (code << 6) | (byte(i) & 0x3F);
  }
  return {code, lead.n_bytes, true, false};
}

inline bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Char character = decode_utf8(text);
    if (!character.valid) {
      return false;
    }
    text.remove_prefix(character.n_bytes);
  }
  return true;
}

// With U+FFFD for what is no character.
inline std::string as_valid_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Utf8Char character = decode_utf8(text);
    out += character.valid ? text.substr(0, character.n_bytes) : kReplacementUtf8;
    text.remove_prefix(character.n_bytes);
  }
  return out;
}

}  // namespace quern
