// Filters on text. Source: Jinja's documentation, "List of Builtin Filters".
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "text/jinja/format.h"
#include "text/jinja/literals.h"
#include "text/jinja/params.h"
#include "text/jinja/print.h"
#include "text/jinja/tables.h"
#include "text/jinja/text_ops.h"
#include "text/jinja/unicode.h"

namespace quern::jinja {

// A name of its own, because several files define a `join` or a `count`.
namespace filters_text {
namespace {

template <std::string (*convert)(std::string_view)>
Result<Value> mapped(const Call& call) {
  QUERN_TRY(Params::bind(call, {.function = "filter", .names = {}}));
  QUERN_ASSIGN(const std::string text, to_text(call.runtime, call.self));
  return call.runtime.string(convert(text), call.self.is_markup());
}

bool begins_word_after(char c) {
  return c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
}

// Unlike str.title(), only after whitespace, - ( { [ and <.
std::string title_words(std::string_view text) {
  std::string out;
  size_t at = 0;
  const auto separator = [&](size_t i) {
    return begins_word_after(text[i]) || is_space(char_at(text, i));
  };
  while (at < text.size()) {
    size_t end = at;
    while (end < text.size() && separator(end) == separator(at)) {
      end += char_bytes(text, end);
    }
    const size_t first = char_bytes(text, at);
    out += to_upper(text.substr(at, first));
    out += to_lower(text.substr(at + first, end - at - first));
    at = end;
  }
  return out;
}

Result<Value> string(const Call& call) {
  if (call.self.is(Kind::string)) {
    return call.self;
  }
  QUERN_ASSIGN(std::string text, to_text(call.runtime, call.self));
  return call.runtime.string(std::move(text));
}

Result<Value> safe(const Call& call) {
  QUERN_ASSIGN(std::string text, to_text(call.runtime, call.self));
  return call.runtime.string(std::move(text), true);
}

Result<Value> force_escape(const Call& call) {
  QUERN_ASSIGN(const std::string text, to_text(call.runtime, call.self));
  return call.runtime.string(escape_html(text), true);
}

Result<Value> escape(const Call& call) {
  return call.self.is_markup() ? Result<Value>(call.self) : force_escape(call);
}

Result<Value> trim(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = "trim", .names = {"chars"}}));
  QUERN_ASSIGN(const std::string text, to_text(call.runtime, call.self));
  if (!p.some(0)) {
    return call.runtime.string(std::string(strip(text, Side::both)), call.self.is_markup());
  }
  QUERN_ASSIGN(const std::string_view chars, p.text(0));
  return call.runtime.string(std::string(strip(text, Side::both, &chars)), call.self.is_markup());
}

Result<Value> replace(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = "replace",
                                                   .names = {"old", "new", "count"},
                                                   .n_required = 2}));
  QUERN_ASSIGN(const std::string text, to_text(call.runtime, call.self));
  QUERN_ASSIGN(const std::string from, to_text(call.runtime, p[0]));
  QUERN_ASSIGN(const std::string to, to_text(call.runtime, p[1]));
  QUERN_ASSIGN(const int64_t n_max, p.some(2) ? p.integer(2) : Result<int64_t>(-1));
  QUERN_ASSIGN(
      std::string out,
      replace_text(
          call.runtime, text,
          {.from = from, .to = to, .limit = n_max < 0 ? SIZE_MAX : static_cast<size_t>(n_max)}));
  return call.runtime.string(std::move(out));
}

Result<Value> center(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = "center", .names = {"width"}}));
  QUERN_ASSIGN(const Value text, string(call));
  Args args;
  args.positional.push_back(p.given(0) ? p[0] : Value::integer(80));
  return find_method(Kind::string, "center")->function({call.runtime, text, args});
}

// The string that indents: `width` itself when it is text, else so many spaces.
Result<std::string> indentation(const Call& call, const Params& p) {
  if (p.given(0) && p[0].is(Kind::string)) {
    return std::string(p[0].text());
  }
  QUERN_ASSIGN(const int64_t width, p.integer(0, 4));
  QUERN_TRY(call.runtime.reserve(width < 0 ? 0 : static_cast<uint64_t>(width)));
  return std::string(width < 0 ? 0 : static_cast<size_t>(width), ' ');
}

Result<Value> indent(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "indent", .names = {"width", "first", "blank"}}));
  if (call.self.is(Kind::undefined)) {
    return raise_undefined(call.self);
  }
  if (!call.self.is(Kind::string)) {
    return raise("indent wants a string, not " + std::string(type_name(call.self)));
  }
  QUERN_ASSIGN(const std::string space, indentation(call, p));
  const std::string text = std::string(call.self.text()) + "\n";
  std::string out = p.flag(1) ? space : "";
  bool first = true;
  for (const std::string_view line : split_lines(text, false)) {
    if (!first) {
      out += '\n';
      out += line.empty() && !p.flag(2) ? "" : space;
    }
    first = false;
    out += line;
    QUERN_TRY(call.runtime.reserve(out.size()));
  }
  return call.runtime.string(std::move(out), call.self.is_markup());
}

Result<Value> truncate(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "truncate",
                                   .names = {"length", "killwords", "end", "leeway"}}));
  QUERN_ASSIGN(const int64_t n_chars, p.integer(0, 255));
  QUERN_ASSIGN(const std::string_view end, p.text(2, "..."));
  QUERN_ASSIGN(const int64_t leeway, p.some(3) ? p.integer(3) : Result<int64_t>(5));
  const auto n_end = static_cast<int64_t>(count_chars(end));
  if (n_chars < n_end || leeway < 0) {
    return raise(n_chars < n_end ? fmt::format("expected length >= {}, got {}", n_end, n_chars)
                                 : fmt::format("expected leeway >= 0, got {}", leeway));
  }
  QUERN_ASSIGN(const int64_t n_self, length(call.self));
  if (n_self <= n_chars || n_self - n_chars <= leeway) {
    return call.self;
  }
  if (!call.self.is(Kind::string)) {
    return raise("truncate wants a string, not " + std::string(type_name(call.self)));
  }
  const std::string_view text = call.self.text();
  std::string_view kept = text.substr(0, char_offset(text, static_cast<size_t>(n_chars - n_end)));
  if (!p.flag(1)) {
    kept = kept.substr(0, std::min(kept.rfind(' '), kept.size()));
  }
  return call.runtime.string(std::string(kept) + std::string(end));
}

Result<Value> format(const Call& call) {
  if (!call.args.positional.empty() && !call.args.named.empty()) {
    return raise("can't handle positional and keyword arguments at the same time");
  }
  QUERN_ASSIGN(const Value text, string(call));
  if (call.args.named.empty()) {
    QUERN_ASSIGN(const Value values, call.runtime.tuple(call.args.positional));
    return format_percent(call.runtime, text, values);
  }
  Dict named;
  for (const auto& [name, value] : call.args.named) {
    named.set(name, value);
  }
  return format_percent(call.runtime, text, Value::dict(std::move(named)));
}

Result<Value> word_count(const Call& call) {
  QUERN_ASSIGN(const std::string text, to_text(call.runtime, call.self));
  int64_t n = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size(); at += char_bytes(text, at)) {
    const char32_t c = char_at(text, at);
    const bool word = c == '_' || is_alpha(c) || is_numeric(c);
    n += word && !inside ? 1 : 0;
    inside = word;
  }
  return Value::integer(n);
}

std::string strip_tags(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const bool comment = text.substr(at).starts_with("<!--");
    const size_t end = text[at] == '<' ? text.find(comment ? "-->" : ">", at) : std::string::npos;
    if (end == std::string_view::npos) {
      out += text[at++];
    } else {
      at = end + (comment ? 3 : 1);
    }
  }
  std::string joined;
  for (const std::string_view word : split_space(out, SIZE_MAX)) {
    joined += joined.empty() ? "" : " ";
    joined += word;
  }
  return joined;
}

void quote_url(std::string& out, std::string_view text, bool keeps_slash) {
  static constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~";
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos || (c == '/' && keeps_slash)) {
      out += c;
    } else if (c == ' ' && !keeps_slash) {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
}

Result<Value> url_encode(const Call& call) {
  std::string out;
  const Kind kind = call.self.kind();
  if (kind == Kind::string || !iterable(call.self)) {
    QUERN_ASSIGN(const std::string text, to_text(call.runtime, call.self));
    quote_url(out, text, true);
    return call.runtime.string(std::move(out));
  }
  Value pairs = call.self;
  if (kind == Kind::dict) {
    QUERN_ASSIGN(pairs, find_method(Kind::dict, "items")->function(call));
  }
  QUERN_ASSIGN(const std::vector<Value> items, call.runtime.collect(pairs));
  for (const Value& item : items) {
    QUERN_ASSIGN(const std::vector<Value> parts, call.runtime.collect(item));
    if (parts.size() != 2) {
      return raise("urlencode wants pairs of a name and a value");
    }
    out += out.empty() ? "" : "&";
    QUERN_ASSIGN(const std::string name, to_text(call.runtime, parts[0]));
    QUERN_ASSIGN(const std::string value, to_text(call.runtime, parts[1]));
    quote_url(out, name, false);
    out += '=';
    quote_url(out, value, false);
  }
  return call.runtime.string(std::move(out));
}

Result<Value> file_size(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "filesizeformat", .names = {"binary"}}));
  if (call.self.is(Kind::undefined)) {
    return raise_undefined(call.self);
  }
  std::optional<double> size;
  if (call.self.is(Kind::string)) {
    size = parse_real(call.self.text());
  } else if (call.self.is_number()) {
    size = call.self.as_real();
  }
  if (!size) {
    return raise("filesizeformat wants a number");
  }
  static constexpr std::string_view kPrefixes = "kMGTPEZY";
  const bool binary = p.flag(0);
  const double bytes = *size;
  const double base = binary ? 1024 : 1000;
  if (bytes == 1) {
    return Value::string("1 Byte");
  }
  if (bytes < base) {
    return Value::string(fmt::format("{:.0f} Bytes", std::trunc(bytes)));
  }
  double unit = base;
  size_t i = 0;
  while (i + 1 < kPrefixes.size() && bytes >= unit * base) {
    unit *= base;
    ++i;
  }
  const char prefix = binary && i == 0 ? 'K' : kPrefixes[i];
  return Value::string(fmt::format("{:.1f} {}{}B", bytes / unit, prefix, binary ? "i" : ""));
}

Result<Value> xml_attributes(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = "xmlattr", .names = {"autospace"}}));
  if (call.self.is(Kind::undefined)) {
    return raise_undefined(call.self);
  }
  if (!call.self.is(Kind::dict)) {
    return raise("xmlattr wants a mapping");
  }
  std::string out;
  for (const Dict::Entry& entry : call.self.entries()) {
    if (entry.value.is(Kind::none) || entry.value.is(Kind::undefined)) {
      continue;
    }
    QUERN_ASSIGN(const std::string name, to_text(call.runtime, entry.key));
    QUERN_ASSIGN(const std::string value, to_text(call.runtime, entry.value));
    if (name.find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      return raise("Invalid character in attribute name: " + repr_string(name));
    }
    out += out.empty() && !p.flag(0, true) ? "" : " ";
    out +=
        escape_html(name) + "=\"" + (entry.value.is_markup() ? value : escape_html(value)) + "\"";
  }
  return call.runtime.string(std::move(out));
}

constexpr std::array<Builtin, 20> kFilters = {{
    {"trim", trim},
    {"string", string},
    {"upper", mapped<to_upper>},
    {"lower", mapped<to_lower>},
    {"capitalize", mapped<to_capitalized>},
    {"title", mapped<title_words>},
    {"replace", replace},
    {"safe", safe},
    {"e", escape},
    {"escape", escape},
    {"forceescape", force_escape},
    {"indent", indent},
    {"center", center},
    {"truncate", truncate},
    {"format", format},
    {"wordcount", word_count},
    {"striptags", mapped<strip_tags>},
    {"urlencode", url_encode},
    {"filesizeformat", file_size},
    {"xmlattr", xml_attributes},
}};

}  // namespace
}  // namespace filters_text

std::span<const Builtin> text_filters() {
  return filters_text::kFilters;
}

}  // namespace quern::jinja
