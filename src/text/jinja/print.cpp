#include "text/jinja/print.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "text/jinja/loop.h"
#include "text/jinja/native.h"
#include "text/jinja/unicode.h"

namespace quern::jinja {

namespace {

// A finite number as decimal digits d.ddd times 10^exponent, the fewest that read back.
struct Decimal {
  bool negative = false;
  std::string digits;
  int exponent = 0;
};

Decimal shortest(double value) {
  std::array<char, 40> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                    std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<size_t>(result.ptr - buffer.data()));
  const size_t e = text.find('e');
  Decimal decimal;
  decimal.negative = text.front() == '-';
  decimal.exponent = std::stoi(std::string(text.substr(e + 1)));
  std::copy_if(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(e),
               std::back_inserter(decimal.digits), [](char c) { return c >= '0' && c <= '9'; });
  return decimal;
}

}  // namespace

std::string repr_real(double value) {
  if (std::isnan(value)) {
    return "nan";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-inf" : "inf";
  }
  const auto [negative, digits, exponent] = shortest(value);
  const std::string sign = negative ? "-" : "";
  // Python's repr: scientific below 1e-4 and from 1e16 on.
  if (exponent < -4 || exponent >= 16) {
    const std::string fraction = digits.size() > 1 ? "." + digits.substr(1) : "";
    return fmt::format("{}{}{}e{}{:02}", sign, digits[0], fraction, exponent < 0 ? '-' : '+',
                       std::abs(exponent));
  }
  if (exponent < 0) {
    return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  }
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) {
    return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  }
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

namespace {

void append_escape(std::string& out, char32_t c) {
  const auto code = static_cast<uint32_t>(c);
  if (code < 0x100) {
    out += fmt::format("\\x{:02x}", code);
  } else if (code < 0x10000) {
    out += fmt::format("\\u{:04x}", code);
  } else {
    out += fmt::format("\\U{:08x}", code);
  }
}

// The letter of a two-character escape, or 0.
char short_escape(char32_t c) {
  switch (c) {
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    case '\\':
      return '\\';
    default:
      return 0;
  }
}

}  // namespace

std::string repr_string(std::string_view text, bool ascii_only) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size(); at += char_bytes(text, at)) {
    const char32_t c = char_at(text, at);
    if (const char letter = short_escape(c); letter != 0) {
      out += '\\';
      out += letter;
    } else if (c == static_cast<char32_t>(quote)) {
      out += '\\';
      out += quote;
    } else if (!is_printable(c) || (ascii_only && c >= 0x80)) {
      append_escape(out, c);
    } else {
      append_char(out, c);
    }
  }
  out += quote;
  return out;
}

std::string short_repr(const Value& value) {
  switch (value.kind()) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return value.as_bool() ? "True" : "False";
    case Kind::integer:
      return std::to_string(value.as_integer());
    case Kind::real:
      return repr_real(value.as_real());
    case Kind::string:
      return repr_string(value.text());
    case Kind::undefined:
      return "Undefined";
    default:
      return "<" + std::string(type_name(value)) + ">";
  }
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

namespace {

// Namespaces can contain each other, so the height of a value does not bound the recursion here.
constexpr int kMaxPrintDepth = 400;

class ReprWriter {
 public:
  ReprWriter(Runtime& runtime, std::string& out) : runtime_(runtime), out_(out) {}

  Status write(const Value& value) {
    QUERN_TRY(runtime_.step());
    QUERN_TRY(runtime_.reserve(out_.size()));
    if (depth_ >= kMaxPrintDepth) {
      return raise("a value is nested too deeply to be printed");
    }
    ++depth_;
    const Status status = write_kind(value);
    --depth_;
    return status;
  }

 private:
  Status write_kind(const Value& value) {
    switch (value.kind()) {
      case Kind::string:
        QUERN_TRY(runtime_.step(value.weight()));
        out_ += value.is_markup() ? "Markup(" + repr_string(value.text()) + ")"
                                  : repr_string(value.text());
        return {};
      case Kind::list:
        return write_items(value.items(), "[", "]");
      case Kind::tuple:
        return write_items(value.items(), "(", value.items().size() == 1 ? ",)" : ")");
      case Kind::dict:
        return write_dict(value.entries());
      case Kind::view:
        out_ += value.as<ViewObject>().type_name;
        return write_items(value.items(), "([", "])");
      case Kind::name_space: {
        out_ += "<Namespace ";
        QUERN_TRY(write_dict(value.as<NamespaceObject>().attributes));
        out_ += ">";
        return {};
      }
      default:
        write_opaque(value);
        return {};
    }
  }

  void write_opaque(const Value& value) {
    switch (value.kind()) {
      case Kind::range: {
        const auto& range = value.as<RangeObject>();
        out_ += range.step == 1
                    ? fmt::format("range({}, {})", range.start, range.stop)
                    : fmt::format("range({}, {}, {})", range.start, range.stop, range.step);
        return;
      }
      case Kind::loop:
        out_ += value.as<LoopObject>().description();
        return;
      case Kind::macro:
        out_ += value.as<MacroObject>().description();
        return;
      case Kind::function:
        out_ += fmt::format("<function {}>", value.as<FunctionObject>().name);
        return;
      case Kind::iterator:
      case Kind::cycler:
      case Kind::joiner:
        out_ += fmt::format("<{} object>", type_name(value));
        return;
      default:
        out_ += short_repr(value);
    }
  }

  Status write_items(const std::vector<Value>& items, std::string_view open,
                     std::string_view close) {
    out_ += open;
    for (size_t i = 0; i < items.size(); ++i) {
      out_ += i > 0 ? ", " : "";
      QUERN_TRY(write(items[i]));
    }
    out_ += close;
    return {};
  }

  Status write_dict(const Dict& dict) {
    out_ += "{";
    bool first = true;
    for (const Dict::Entry& entry : dict) {
      out_ += first ? "" : ", ";
      first = false;
      QUERN_TRY(write(entry.key));
      out_ += ": ";
      QUERN_TRY(write(entry.value));
    }
    out_ += "}";
    return {};
  }

  Runtime& runtime_;
  std::string& out_;
  int depth_ = 0;
};

}  // namespace

Status append_text(Runtime& runtime, std::string& out, const Value& value) {
  if (value.is(Kind::string)) {
    QUERN_TRY(runtime.step(value.weight()));
    out += value.text();
    return {};
  }
  if (value.is(Kind::undefined)) {
    return {};
  }
  return ReprWriter(runtime, out).write(value);
}

Result<std::string> to_text(Runtime& runtime, const Value& value) {
  std::string out;
  QUERN_TRY(append_text(runtime, out, value));
  return out;
}

Result<std::string> to_repr(Runtime& runtime, const Value& value) {
  std::string out;
  QUERN_TRY(ReprWriter(runtime, out).write(value));
  return out;
}

}  // namespace quern::jinja
