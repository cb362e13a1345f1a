#include "text/jinja/format.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "text/jinja/print.h"
#include "text/jinja/unicode.h"

namespace quern::jinja {

namespace {

// Digits after the point that are ever written; more are refused.
constexpr int64_t kMaxPrecision = 1000;

struct Digits {
  std::string sign;
  std::string prefix;  // 0x
  std::string body;
};

std::string sign_of(bool negative, char sign) {
  return negative ? "-" : sign == '+' ? "+" : sign == ' ' ? " " : "";
}

std::string group_digits(const std::string& body, char separator, size_t every) {
  const size_t end = std::min(body.find_first_not_of("0123456789abcdefABCDEF"), body.size());
  std::string out;
  for (size_t i = 0; i < end; ++i) {
    if (i > 0 && (end - i) % every == 0) {
      out += separator;
    }
    out += body[i];
  }
  return out + body.substr(end);
}

std::string integer_digits(uint64_t magnitude, char type) {
  switch (type) {
    case 'b':
      return fmt::format("{:b}", magnitude);
    case 'o':
      return fmt::format("{:o}", magnitude);
    case 'x':
      return fmt::format("{:x}", magnitude);
    case 'X':
      return fmt::format("{:X}", magnitude);
    default:
      return std::to_string(magnitude);
  }
}

// %g: the shorter of fixed and scientific with `precision` significant digits.
std::string general_digits(double magnitude, int precision, bool alternate) {
  precision = std::max(precision, 1);
  return alternate ? fmt::format("{:#.{}g}", magnitude, precision)
                   : fmt::format("{:.{}g}", magnitude, precision);
}

// Without a type: as %g, but that a whole number takes one place more, for the 0 after its point,
// and turns scientific where this no longer fits (Python's documentation, "Format Specification
// Mini-Language").
std::string plain_digits(double magnitude, int precision) {
  precision = std::max(precision, 1);
  const std::string text = general_digits(magnitude, precision, false);
  if (text.find_first_not_of("0123456789") != std::string::npos) {
    return text;
  }
  if (text.size() < static_cast<size_t>(precision)) {
    return text + ".0";
  }
  const std::string scientific = fmt::format("{:.{}e}", magnitude, precision - 1);
  const size_t exponent = scientific.find('e');
  std::string mantissa = scientific.substr(0, exponent);
  if (precision > 1) {
    mantissa.resize(mantissa.find_last_not_of('0') + 1);
    mantissa.resize(mantissa.find_last_not_of('.') + 1);
  }
  return mantissa + scientific.substr(exponent);
}

Result<std::string> real_digits(double magnitude, const FormatSpec& spec) {
  if (std::isnan(magnitude) || std::isinf(magnitude)) {
    return std::string(std::isnan(magnitude) ? "nan" : "inf") + (spec.type == '%' ? "%" : "");
  }
  if (spec.precision.value_or(0) > kMaxPrecision) {
    return raise("precision too big", "at most " + std::to_string(kMaxPrecision));
  }
  const int precision = static_cast<int>(spec.precision.value_or(6));
  switch (spec.type) {
    case 'e':
    case 'E':
      return fmt::format("{:.{}e}", magnitude, precision);
    case 'f':
    case 'F':
      return fmt::format("{:.{}f}", magnitude, precision);
    case '%':
      return fmt::format("{:.{}f}%", magnitude * 100, precision);
    case 0:
      return spec.precision ? plain_digits(magnitude, precision) : repr_real(magnitude);
    default:
      return general_digits(magnitude, precision, spec.alternate);
  }
}

bool is_real_type(char type) {
  return std::string_view("eEfFgG%").find(type) != std::string_view::npos && type != 0;
}

Result<Digits> digits_of(const Value& value, const FormatSpec& spec) {
  Digits digits;
  if (value.is_integral() && !is_real_type(spec.type)) {
    const int64_t number = value.as_integer();
    const uint64_t magnitude =
        number < 0 ? ~static_cast<uint64_t>(number) + 1 : static_cast<uint64_t>(number);
    digits.sign = sign_of(number < 0, spec.sign);
    digits.body = integer_digits(magnitude, spec.type);
    const bool based = std::string_view("boxX").find(spec.type) != std::string_view::npos;
    if (spec.alternate && based && spec.type != 0) {
      digits.prefix = std::string("0") + spec.type;
    }
    return digits;
  }
  const double number = value.as_real();
  digits.sign = sign_of(std::signbit(number) && !std::isnan(number), spec.sign);
  QUERN_ASSIGN(digits.body, real_digits(std::fabs(number), spec));
  if (spec.type == 'E' || spec.type == 'F' || spec.type == 'G') {
    digits.body = to_upper(digits.body);
  }
  return digits;
}

}  // namespace

Status format_text(TextBuilder& out, std::string_view text, const FormatSpec& spec) {
  QUERN_TRY(out.runtime().spend(cost::walk(text.size())));
  if (spec.precision) {
    text = text.substr(0, char_offset(text, static_cast<size_t>(*spec.precision)));
  }
  const auto n_chars = static_cast<int64_t>(count_chars(text));
  const auto n_pad = static_cast<uint64_t>(std::max<int64_t>(0, spec.width - n_chars));
  const char align = spec.align == 0 ? '<' : spec.align;
  const uint64_t n_left = align == '<' ? 0 : align == '^' ? n_pad / 2 : n_pad;
  QUERN_TRY(out.fill(spec.fill, n_left));
  QUERN_TRY(out.append(text));
  return out.fill(spec.fill, n_pad - n_left);
}

Status format_number(TextBuilder& out, const Value& value, const FormatSpec& spec) {
  QUERN_TRY(out.runtime().step());
  if (spec.type == 'c') {
    const int64_t code = value.as_integer();
    if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
      return raise("%c arg not in range(0x110000)");
    }
    std::string character;
    append_char(character, static_cast<char32_t>(code));
    return format_text(out, character,
                       {.fill = spec.fill,
                        .align = spec.align,
                        .width = spec.width,
                        .grouping = 0,
                        .precision = std::nullopt});
  }
  if (value.is(Kind::real) || is_real_type(spec.type)) {
    const int64_t precision = std::max<int64_t>(0, spec.precision.value_or(6));
    QUERN_TRY(out.runtime().spend(cost::digits(static_cast<uint64_t>(precision))));
  }
  QUERN_ASSIGN(Digits digits, digits_of(value, spec));
  if (spec.grouping != 0) {
    const bool decimal = spec.type == 0 || spec.type == 'd' || is_real_type(spec.type);
    digits.body = group_digits(digits.body, spec.grouping, decimal ? 3 : 4);
  }
  const std::string head = digits.sign + digits.prefix;
  FormatSpec padding = {.fill = spec.fill,
                        .align = spec.align == 0 ? '>' : spec.align,
                        .width = spec.width,
                        .grouping = 0,
                        .precision = std::nullopt};
  if (spec.align != '=') {
    return format_text(out, head + digits.body, padding);
  }
  padding.align = '>';
  padding.width = spec.width - static_cast<int64_t>(head.size());
  QUERN_TRY(out.append(head));
  return format_text(out, digits.body, padding);
}

double round_real(double value, int64_t n_digits) {
  if (!std::isfinite(value) || n_digits > 323) {
    return value;
  }
  if (n_digits < -308) {
    return std::copysign(0.0, value);
  }
  if (n_digits >= 0) {
    // Correctly rounded decimal digits of the binary value, read back.
    const std::string text = fmt::format("{:.{}f}", value, n_digits);
    double rounded = 0;
    std::from_chars(text.data(), text.data() + text.size(), rounded);
    return rounded;
  }
  const double scale = std::pow(10.0, static_cast<double>(-n_digits));
  return std::nearbyint(value / scale) * scale;
}

namespace {

// One directive after the other of a % format.
class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, const Value& format, const Value& values)
      : runtime_(runtime),
        format_(format.text()),
        markup_(format.is_markup()),
        values_(values),
        out_(runtime) {}

  Result<Value> run() {
    while (at_ < format_.size()) {
      const size_t percent = std::min(format_.find('%', at_), format_.size());
      QUERN_TRY(out_.append(format_.substr(at_, percent - at_)));
      at_ = percent + 1;
      if (percent < format_.size()) {
        QUERN_TRY(directive());
      }
    }
    if (values_unused()) {
      return raise("not all arguments converted during string formatting");
    }
    return out_.value(markup_);
  }

 private:
  // A value that could be subscripted, as a mapping is, need not be used.
  bool values_unused() const {
    switch (values_.kind()) {
      case Kind::tuple:
        return next_ < values_.items().size();
      case Kind::dict:
      case Kind::list:
      case Kind::range:
      case Kind::undefined:
        return false;
      default:
        return next_ == 0;
    }
  }

  Result<char> peek() const {
    if (at_ >= format_.size()) {
      return raise("incomplete format");
    }
    return format_[at_];
  }

  Result<Value> argument() {
    if (key_) {
      return *key_;
    }
    if (values_.is(Kind::tuple)) {
      if (next_ >= values_.items().size()) {
        return raise("not enough arguments for format string");
      }
      return values_.items()[next_++];
    }
    if (next_++ > 0) {
      return raise("not enough arguments for format string");
    }
    return values_;
  }

  Status mapping_key() {
    key_.reset();
    if (format_[at_] != '(') {
      return {};
    }
    const size_t end = format_.find(')', at_);
    QUERN_TRY(runtime_.spend(cost::walk(std::min(end, format_.size()) - at_)));
    if (end == std::string_view::npos) {
      return raise("incomplete format key");
    }
    if (!values_.is(Kind::dict)) {
      return raise("format requires a mapping");
    }
    const std::string_view name = format_.substr(at_ + 1, end - at_ - 1);
    QUERN_ASSIGN(const Value key, runtime_.text(name));
    QUERN_ASSIGN(const Value* value, runtime_.find(values_.entries(), key));
    if (value == nullptr) {
      return raise(short_repr(name));
    }
    key_ = *value;
    at_ = end + 1;
    return {};
  }

  Result<int64_t> number() {
    if (at_ < format_.size() && format_[at_] == '*') {
      ++at_;
      QUERN_ASSIGN(const Value value, argument());
      if (!value.is_integral()) {
        return raise("* wants int");
      }
      return value.as_integer();
    }
    int64_t value = 0;
    while (at_ < format_.size() && format_[at_] >= '0' && format_[at_] <= '9') {
      value = std::min<int64_t>(value * 10 + (format_[at_++] - '0'), INT32_MAX);
    }
    return value;
  }

  void flags(FormatSpec& spec) {
    spec.align = '>';
    bool left = false;
    for (; at_ < format_.size(); ++at_) {
      switch (format_[at_]) {
        case '-':
          left = true;
          continue;
        case '+':
          spec.sign = '+';
          continue;
        case ' ':
          spec.sign = spec.sign == '+' ? '+' : ' ';
          continue;
        case '#':
          spec.alternate = true;
          continue;
        case '0':
          spec.align = '=';
          spec.fill = "0";
          continue;
        default:
          break;
      }
      break;
    }
    if (left) {
      spec.align = '<';
      spec.fill = " ";
    }
  }

  Status directive() {
    QUERN_TRY(runtime_.step());
    QUERN_ASSIGN(const char first, peek());
    if (first == '%') {
      ++at_;
      return out_.append("%");
    }
    QUERN_TRY(mapping_key());
    FormatSpec spec;
    flags(spec);
    QUERN_ASSIGN(spec.width, number());
    if (spec.width < 0) {
      spec.width = std::min<int64_t>(-std::max<int64_t>(spec.width, -INT32_MAX), INT32_MAX);
      spec.align = '<';
    }
    if (at_ < format_.size() && format_[at_] == '.') {
      ++at_;
      QUERN_ASSIGN(const int64_t precision, number());
      spec.precision = std::max<int64_t>(0, precision);
    }
    while (at_ < format_.size() &&
           std::string_view("hlL").find(format_[at_]) != std::string_view::npos) {
      ++at_;
    }
    QUERN_ASSIGN(spec.type, peek());
    ++at_;
    QUERN_ASSIGN(const Value value, argument());
    return convert(value, spec);
  }

  Status convert(const Value& value, FormatSpec& spec) {
    switch (spec.type) {
      case 's':
      case 'r':
      case 'a':
        return convert_text(value, spec);
      case 'c':
        if (value.is(Kind::string) && value.n_chars() == 1) {
          return convert_text(value, spec);
        }
        if (!value.is_integral()) {
          return raise("%c requires int or char");
        }
        return convert_number(value, spec);
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o':
        return convert_integer(value, spec);
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        return convert_number(value, spec);
      default:
        return raise(fmt::format("unsupported format character '{}' ({:#x})", spec.type,
                                 static_cast<unsigned char>(spec.type)));
    }
  }

  Status convert_text(const Value& value, FormatSpec& spec) {
    QUERN_ASSIGN(Value text, spec.type == 's' || spec.type == 'c' ? to_text(runtime_, value)
                                                                  : to_repr(runtime_, value));
    if (markup_ && !value.is_markup()) {
      QUERN_ASSIGN(text, escape_html(runtime_, text.text()));
    }
    spec.fill = " ";
    spec.align = spec.align == '=' ? '>' : spec.align;
    return format_text(out_, text.text(), spec);
  }

  Status convert_integer(const Value& value, FormatSpec& spec) {
    if (value.is(Kind::undefined)) {
      return raise_undefined(value);
    }
    const bool whole_only = std::string_view("xXo").find(spec.type) != std::string_view::npos;
    if (whole_only && !value.is_integral()) {
      return raise(
          fmt::format("%{} format: an integer is required, not {}", spec.type, type_name(value)));
    }
    if (!value.is_number() || (value.is(Kind::real) && std::fabs(value.as_real()) >= 9.2e18)) {
      return raise(fmt::format("%{} format: a real number is required, not {}", spec.type,
                               type_name(value)));
    }
    if (spec.precision) {  // a least number of digits
      spec.fill = "0";
      spec.width = std::max(spec.width, *spec.precision);
      spec.align = '=';
      spec.precision.reset();
    }
    spec.type = spec.type == 'i' || spec.type == 'u' ? 'd' : spec.type;
    const int64_t number =
        value.is_integral() ? value.as_integer() : static_cast<int64_t>(value.as_real());
    return format_number(out_, Value::integer(number), spec);
  }

  Status convert_number(const Value& value, const FormatSpec& spec) {
    if (value.is(Kind::undefined)) {
      return raise_undefined(value);
    }
    if (!value.is_number()) {
      return raise("must be real number, not " + std::string(type_name(value)));
    }
    return format_number(out_, value, spec);
  }

  Runtime& runtime_;
  std::string_view format_;
  bool markup_;
  const Value& values_;
  size_t at_ = 0;
  size_t next_ = 0;
  std::optional<Value> key_;
  TextBuilder out_;
};

}  // namespace

Result<Value> format_percent(Runtime& runtime, const Value& text, const Value& values) {
  return PercentFormatter(runtime, text, values).run();
}

}  // namespace quern::jinja
