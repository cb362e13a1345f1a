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

std::string unicode_escape(char32_t c) {
  const auto code = static_cast<uint32_t>(c);
  if (code < 0x100) {
    return fmt::format("\\x{:02x}", code);
  }
  return code < 0x10000 ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code);
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

// How repr() writes a character; empty when as it is.
std::string escape_of(char32_t c, char quote) {
  if (const char letter = short_escape(c); letter != 0) {
    return {'\\', letter};
  }
  if (c == static_cast<char32_t>(quote)) {
    return {'\\', quote};
  }
  return is_printable(c) ? std::string() : unicode_escape(c);
}

// What can be written is handed over in pieces, of which all but escapes are parts of `text`.
template <typename Write>
Status write_repr(std::string_view text, Write write) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  QUERN_TRY(write(std::string_view(&quote, 1)));
  size_t written = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t length = char_bytes(text, at);
    const std::string escape = escape_of(char_at(text, at), quote);
    if (!escape.empty()) {
      QUERN_TRY(write(text.substr(written, at - written)));
      QUERN_TRY(write(escape));
      written = at + length;
    }
    at += length;
  }
  QUERN_TRY(write(text.substr(written)));
  return write(std::string_view(&quote, 1));
}

constexpr size_t kMaxReprBytes = 200;  // of a string in a message

}  // namespace

Status append_repr(TextBuilder& out, std::string_view text) {
  QUERN_TRY(out.runtime().spend(cost::convert(text.size())));
  return write_repr(text, [&](std::string_view piece) { return out.append(piece); });
}

std::string short_repr(std::string_view text) {
  const bool cut = text.size() > kMaxReprBytes;
  std::string out;
  const Status status = write_repr(text.substr(0, kMaxReprBytes), [&](std::string_view piece) {
    out += piece;
    return Status();
  });
  return status && cut ? out + "..." : out;
}

std::string short_repr(const Value& value) {
  switch (value.kind()) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return value.as_bool() ? "True" : "False";
    case Kind::integer:
      return std::to_string(value.as_integer());
    case Kind::big_integer:
      return std::string(value.text());
    case Kind::real:
      return repr_real(value.as_real());
    case Kind::string:
      return short_repr(value.text());
    case Kind::undefined:
      return "Undefined";
    default:
      return "<" + std::string(type_name(value)) + ">";
  }
}

namespace {

std::string_view html_entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '\'':
      return "&#39;";
    case '"':
      return "&#34;";
    default:
      return {};
  }
}

}  // namespace

Status append_html(TextBuilder& out, std::string_view text) {
  QUERN_TRY(out.runtime().spend(cost::convert(text.size())));
  size_t written = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (const std::string_view entity = html_entity(text[at]); !entity.empty()) {
      QUERN_TRY(out.append(text.substr(written, at - written)));
      QUERN_TRY(out.append(entity));
      written = at + 1;
    }
  }
  return out.append(text.substr(written));
}

Result<Value> escape_html(Runtime& runtime, std::string_view text) {
  TextBuilder out(runtime);
  QUERN_TRY(append_html(out, text));
  return out.value(true);
}

namespace {

// Namespaces can contain each other, so the height of a value does not bound the recursion here.
constexpr int kMaxPrintDepth = 400;

class ReprWriter {
 public:
  explicit ReprWriter(TextBuilder& out) : out_(out) {}

  Status write(const Value& value) {
    QUERN_TRY(out_.runtime().step());
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
        return write_string(value);
      case Kind::list:
        return write_items(value.items(), "[", "]");
      case Kind::tuple:
        return write_items(value.items(), "(", value.items().size() == 1 ? ",)" : ")");
      case Kind::dict:
        return write_dict(value.entries());
      case Kind::view:
        QUERN_TRY(out_.append(value.as<ViewObject>().type_name));
        return write_items(value.items(), "([", "])");
      case Kind::name_space:
        QUERN_TRY(out_.append("<Namespace "));
        QUERN_TRY(write_dict(value.as<NamespaceObject>().attributes));
        return out_.append(">");
      default:
        return out_.append(opaque(value));
    }
  }

  Status write_string(const Value& value) {
    if (!value.is_markup()) {
      return append_repr(out_, value.text());
    }
    QUERN_TRY(out_.append("Markup("));
    QUERN_TRY(append_repr(out_, value.text()));
    return out_.append(")");
  }

  static std::string opaque(const Value& value) {
    switch (value.kind()) {
      case Kind::range: {
        const auto& range = value.as<RangeObject>();
        return range.step == 1
                   ? fmt::format("range({}, {})", range.start, range.stop)
                   : fmt::format("range({}, {}, {})", range.start, range.stop, range.step);
      }
      case Kind::loop:
        return value.as<LoopObject>().description();
      case Kind::macro:
        return value.as<MacroObject>().description();
      case Kind::function:
        return fmt::format("<function {}>", value.as<FunctionObject>().name);
      case Kind::iterator:
      case Kind::cycler:
      case Kind::joiner:
        return fmt::format("<{} object>", type_name(value));
      default:
        return short_repr(value);
    }
  }

  Status write_items(const std::vector<Value>& items, std::string_view open,
                     std::string_view close) {
    QUERN_TRY(out_.append(open));
    for (size_t i = 0; i < items.size(); ++i) {
      QUERN_TRY(out_.append(i > 0 ? ", " : ""));
      QUERN_TRY(write(items[i]));
    }
    return out_.append(close);
  }

  Status write_dict(const Dict& dict) {
    QUERN_TRY(out_.append("{"));
    bool first = true;
    for (const Dict::Entry& entry : dict) {
      QUERN_TRY(out_.append(first ? "" : ", "));
      first = false;
      QUERN_TRY(write(entry.key));
      QUERN_TRY(out_.append(": "));
      QUERN_TRY(write(entry.value));
    }
    return out_.append("}");
  }

  TextBuilder& out_;
  int depth_ = 0;
};

}  // namespace

Status append_text(TextBuilder& out, const Value& value) {
  if (value.is(Kind::string)) {
    return out.append(value.text());
  }
  if (value.is(Kind::undefined)) {
    return {};
  }
  return ReprWriter(out).write(value);
}

Result<Value> to_text(Runtime& runtime, const Value& value) {
  if (value.is(Kind::string)) {
    return value;
  }
  TextBuilder out(runtime);
  QUERN_TRY(append_text(out, value));
  return out.value();
}

Result<Value> to_repr(Runtime& runtime, const Value& value) {
  TextBuilder out(runtime);
  QUERN_TRY(ReprWriter(out).write(value));
  return out.value();
}

}  // namespace quern::jinja
