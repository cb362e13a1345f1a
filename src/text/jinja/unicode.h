// Python's view of text (code points, case, whitespace, lines) on UTF-8 strings.
// A byte that is no valid UTF-8 counts as one character and is kept as it is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quern::jinja {

size_t count_chars(std::string_view text);
// Bytes of the character that starts at `at`, which must be inside `text`.
size_t char_bytes(std::string_view text, size_t at);
// Code point at `at`; 0xDC00 + byte for a byte that is no valid UTF-8 (Python's surrogateescape).
char32_t char_at(std::string_view text, size_t at);
void append_char(std::string& out, char32_t c);
// Byte offset of the n-th character; text.size() when there are fewer.
size_t char_offset(std::string_view text, size_t n);
bool valid_utf8(std::string_view text);

bool is_space(char32_t c);
bool is_alpha(char32_t c);
bool is_decimal(char32_t c);
bool is_numeric(char32_t c);
bool is_upper(char32_t c);
bool is_lower(char32_t c);
bool is_title(char32_t c);
bool is_printable(char32_t c);
inline bool is_cased(char32_t c) {
  return is_upper(c) || is_lower(c) || is_title(c);
}

// None makes a text longer than kCaseGrowth times, its buffer included.
inline constexpr size_t kCaseGrowth = 3;
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_capitalized(std::string_view text);
std::string to_title(std::string_view text);
std::string to_casefold(std::string_view text);
std::string swap_case(std::string_view text);

enum class Side { left, right, both };
// Strips whitespace, or the characters in `chars` when it is given.
std::string_view strip(std::string_view text, Side side, const std::string_view* chars = nullptr);

}  // namespace quern::jinja
