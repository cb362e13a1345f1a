// Numbers and strings as template source writes them, and numbers as text that `int` and `float`
// convert. Source: Python's reference, "Lexical analysis"; built-in functions int() and float().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace quern::jinja {

constexpr bool is_ascii_digit(char c) {
  return c >= '0' && c <= '9';
}

struct ScannedNumber {
  bool is_real = false;
  int64_t integer = 0;
  double real = 0;
  size_t n_bytes = 0;
};

// A number at the start of `text`, which starts with a digit. After a dot (`x.0.1`) no fraction or
// exponent belongs to it.
Result<ScannedNumber> scan_number(std::string_view text, bool may_be_real);

// Resolves backslash escapes.
Result<std::string> unescape_string(std::string_view text);

// Python's int(text, base) and float(text); nothing when the text is no number. An integer beyond
// 64 bits is an error.
Result<std::optional<int64_t>> parse_integer(std::string_view text, int base);
std::optional<double> parse_real(std::string_view text);

}  // namespace quern::jinja
