#include "text/jinja/literals.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "text/jinja/error.h"
#include "text/jinja/unicode.h"

namespace quern::jinja {

namespace {

int digit_value(char c) {
  if (is_ascii_digit(c)) {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : 99;
}

bool digit_of(char c, int base) {
  return digit_value(c) < base;
}

// Bytes of a run of digits in which single underscores may stand between digits.
size_t digits_length(std::string_view text, int base) {
  size_t n = 0;
  while (n < text.size()) {
    if (digit_of(text[n], base)) {
      ++n;
    } else if (text[n] == '_' && n > 0 && n + 1 < text.size() && digit_of(text[n + 1], base)) {
      n += 2;
    } else {
      break;
    }
  }
  return n;
}

Result<int64_t> digits_value(std::string_view digits, int base) {
  int64_t value = 0;
  for (const char c : digits) {
    if (c == '_') {
      continue;
    }
    if (__builtin_mul_overflow(value, base, &value) ||
        __builtin_add_overflow(value, digit_value(c), &value)) {
      return raise("the integer " + std::string(digits.substr(0, 40)) + " is beyond 64 bits",
                   "at most 9223372036854775807");
    }
  }
  return value;
}

std::string without_underscores(std::string_view text) {
  std::string out(text);
  std::erase(out, '_');
  return out;
}

// Bytes of ".5", "e-7" or ".5e7" at the start of `text`; 0 when there is no such tail.
size_t real_tail_length(std::string_view text) {
  size_t n = 0;
  if (text.size() > 1 && text[0] == '.' && is_ascii_digit(text[1])) {
    n = 1 + digits_length(text.substr(1), 10);
  }
  if (n < text.size() && (text[n] == 'e' || text[n] == 'E')) {
    size_t e = n + 1;
    if (e < text.size() && (text[e] == '+' || text[e] == '-')) {
      ++e;
    }
    const size_t exponent = e < text.size() ? digits_length(text.substr(e), 10) : 0;
    if (exponent > 0 && is_ascii_digit(text[e])) {
      n = e + exponent;
    }
  }
  return n;
}

// Length of "0x1f", "0b1" or "0o7" at the start; 0 when it is decimal. Sets the base.
size_t prefixed_length(std::string_view text, int& base) {
  if (text.size() < 3 || text[0] != '0') {
    return 0;
  }
  const char mark = static_cast<char>(text[1] | 0x20);
  base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
  if (base == 10) {
    return 0;
  }
  const size_t skip = text[2] == '_' ? 3 : 2;
  const size_t digits = skip < text.size() ? digits_length(text.substr(skip), base) : 0;
  return digits > 0 ? skip + digits : 0;
}

}  // namespace

Result<ScannedNumber> scan_number(std::string_view text, bool may_be_real) {
  ScannedNumber number;
  const size_t whole = digits_length(text, 10);
  const size_t tail = may_be_real ? real_tail_length(text.substr(whole)) : 0;
  if (tail > 0) {
    number.is_real = true;
    number.n_bytes = whole + tail;
    number.real = parse_real(text.substr(0, number.n_bytes)).value_or(0);
    return number;
  }
  int base = 10;
  number.n_bytes = prefixed_length(text, base);
  if (number.n_bytes > 0) {
    QUERN_ASSIGN(number.integer, digits_value(text.substr(2, number.n_bytes - 2), base));
    return number;
  }
  number.n_bytes = whole;
  if (text[0] == '0') {  // 012 is no number: the zeros end it
    number.n_bytes = std::min(whole, text.find_first_not_of("0_"));
    while (text[number.n_bytes - 1] == '_') {
      --number.n_bytes;
    }
  }
  QUERN_ASSIGN(number.integer, digits_value(text.substr(0, number.n_bytes), 10));
  return number;
}

namespace {

class Unescaper {
 public:
  explicit Unescaper(std::string_view text) : text_(text) {}

  Result<std::string> run() {
    while (at_ < text_.size()) {
      if (text_[at_] != '\\') {
        out_ += text_[at_++];
        continue;
      }
      ++at_;
      QUERN_TRY(escape());
    }
    return std::move(out_);
  }

 private:
  Status escape() {
    const char c = text_[at_++];
    static constexpr std::string_view kFrom = "\\'\"abfnrtv";
    static constexpr std::string_view kTo = "\\'\"\a\b\f\n\r\t\v";
    if (const size_t i = kFrom.find(c); i != std::string_view::npos) {
      out_ += kTo[i];
      return {};
    }
    switch (c) {
      case '\n':
        return {};
      case 'x':
        return hex(2);
      case 'u':
        return hex(4);
      case 'U':
        return hex(8);
      case 'N':
        return raise("the escape \\N{...} is not supported", "\\u with the character's number");
      default:
        break;
    }
    if (digit_of(c, 8)) {
      octal();
    } else {
      out_ += '\\';
      out_ += c;
    }
    return {};
  }

  void octal() {
    char32_t code = 0;
    --at_;
    for (size_t n = 0; n < 3 && at_ < text_.size() && digit_of(text_[at_], 8); ++n) {
      code = code * 8 + static_cast<char32_t>(digit_value(text_[at_++]));
    }
    append_char(out_, code);
  }

  Status hex(size_t n_digits) {
    char32_t code = 0;
    for (size_t n = 0; n < n_digits; ++n) {
      if (at_ >= text_.size() || !digit_of(text_[at_], 16)) {
        return raise("a string has a cut-off escape",
                     std::to_string(n_digits) + " hexadecimal digits");
      }
      code = code * 16 + static_cast<char32_t>(digit_value(text_[at_++]));
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
      return raise("a string has an escape for no character", "a code point below 0x110000");
    }
    append_char(out_, code);
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

Result<std::string> unescape_string(std::string_view text) {
  return Unescaper(text).run();
}

Result<std::optional<int64_t>> parse_integer(std::string_view text, int base) {
  text = strip(text, Side::both);
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  int written_base = base;
  if (prefixed_length(text, written_base) == text.size() && !text.empty() &&
      (base == 0 || base == written_base)) {
    base = written_base;
    text.remove_prefix(text[2] == '_' ? 3 : 2);
  }
  base = base == 0 ? 10 : base;
  if (base < 2 || base > 36 || text.empty() || digits_length(text, base) != text.size()) {
    return std::optional<int64_t>();
  }
  QUERN_ASSIGN(const int64_t value, digits_value(text, base));
  return std::optional<int64_t>(negative ? -value : value);
}

namespace {

std::optional<double> parse_special_real(std::string_view text) {
  const std::string lower = to_lower(text);
  if (lower == "inf" || lower == "infinity") {
    return std::numeric_limits<double>::infinity();
  }
  if (lower == "nan") {
    return std::numeric_limits<double>::quiet_NaN();
  }
  return std::nullopt;
}

// Digits, an optional point and fraction, an optional exponent; underscores between digits.
bool looks_real(std::string_view text) {
  const size_t whole = digits_length(text, 10);
  text.remove_prefix(whole);
  if (whole > 0 && text.starts_with('.') && (text.size() == 1 || !is_ascii_digit(text[1]))) {
    text.remove_prefix(1);  // "1." and "1.e5"
  }
  if (whole == 0 && !text.starts_with('.')) {
    return false;
  }
  return text.empty() || real_tail_length(text) == text.size();
}

}  // namespace

std::optional<double> parse_real(std::string_view text) {
  text = strip(text, Side::both);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) {
    text.remove_prefix(1);
  }
  std::optional<double> value = parse_special_real(text);
  if (!value && looks_real(text)) {
    const std::string digits = without_underscores(text);
    double parsed = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), parsed);
    if (result.ec == std::errc::result_out_of_range) {
      const bool tiny =
          digits.find("e-") != std::string::npos || digits.find("E-") != std::string::npos;
      parsed = tiny ? 0.0 : std::numeric_limits<double>::infinity();
    }
    value = parsed;
  }
  return value ? std::optional<double>(negative ? -*value : *value) : std::nullopt;
}

}  // namespace quern::jinja
