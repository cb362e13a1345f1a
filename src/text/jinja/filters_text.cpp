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
  QUERN_ASSIGN(const Value text, to_text(call.runtime, call.self));
  // Twice, for what looks at words first.
  QUERN_TRY(call.runtime.spend(2 * cost::convert(text.text().size())));
  QUERN_TRY(call.runtime.reserve(kCaseGrowth * text.text().size()));
  return call.runtime.string(convert(text.text()), call.self.is_markup());
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
  return to_text(call.runtime, call.self);
}

Result<Value> safe(const Call& call) {
  QUERN_ASSIGN(const Value text, to_text(call.runtime, call.self));
  return call.runtime.text(text.text(), true);
}

Result<Value> force_escape(const Call& call) {
  QUERN_ASSIGN(const Value text, to_text(call.runtime, call.self));
  return escape_html(call.runtime, text.text());
}

Result<Value> escape(const Call& call) {
  return call.self.is_markup() ? Result<Value>(call.self) : force_escape(call);
}

Result<Value> trim(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = "trim", .names = {"chars"}}));
  QUERN_ASSIGN(const Value text, to_text(call.runtime, call.self));
  QUERN_ASSIGN(const std::string_view chars, p.some(0) ? p.text(0) : Result<std::string_view>(""));
  QUERN_ASSIGN(const std::string_view stripped,
               strip_text(call.runtime, text.text(),
                          {.side = Side::both, .chars = p.some(0) ? &chars : nullptr}));
  return call.runtime.text(stripped, call.self.is_markup());
}

Result<Value> replace(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = "replace",
                                                   .names = {"old", "new", "count"},
                                                   .n_required = 2}));
  QUERN_ASSIGN(Value text, to_text(call.runtime, call.self));
  if (text.is_markup()) {
    QUERN_ASSIGN(text, call.runtime.text(text.text()));
  }
  QUERN_ASSIGN(const Value from, to_text(call.runtime, p[0]));
  QUERN_ASSIGN(const Value to, to_text(call.runtime, p[1]));
  QUERN_ASSIGN(const int64_t n_max, p.some(2) ? p.integer(2) : Result<int64_t>(-1));
  return replace_text(call.runtime, text,
                      {.from = from.text(),
                       .to = to.text(),
                       .limit = n_max < 0 ? SIZE_MAX : static_cast<size_t>(n_max)});
}

Result<Value> center(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = "center", .names = {"width"}}));
  QUERN_ASSIGN(const Value text, string(call));
  Args args;
  args.positional.push_back(p.given(0) ? p[0] : Value::integer(80));
  return find_method(Kind::string, "center")->function({call.runtime, text, args});
}

// The string that indents: `width` itself when it is text, else so many spaces.
Result<Value> indentation(const Call& call, const Params& p) {
  if (p.given(0) && p[0].is(Kind::string)) {
    return p[0];
  }
  QUERN_ASSIGN(const int64_t width, p.integer(0, 4));
  TextBuilder space(call.runtime);
  QUERN_TRY(space.fill(" ", width < 0 ? 0 : static_cast<uint64_t>(width)));
  return space.value();
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
  QUERN_ASSIGN(const Value space, indentation(call, p));
  TextBuilder text(call.runtime);
  QUERN_TRY(text.append(call.self.text()));
  QUERN_TRY(text.append("\n"));
  QUERN_ASSIGN(const Parts lines, split_lines(call.runtime, text.view(), false));
  TextBuilder out(call.runtime);
  QUERN_TRY(out.append(p.flag(1) ? space.text() : ""));
  bool first = true;
  for (const std::string_view line : lines) {
    if (!first) {
      QUERN_TRY(out.append("\n"));
      QUERN_TRY(out.append(line.empty() && !p.flag(2) ? "" : space.text()));
    }
    first = false;
    QUERN_TRY(out.append(line));
  }
  return out.value(call.self.is_markup());
}

Result<Value> truncate(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "truncate",
                                   .names = {"length", "killwords", "end", "leeway"}}));
  QUERN_ASSIGN(const int64_t n_chars, p.integer(0, 255));
  QUERN_ASSIGN(const std::string_view end, p.text(2, "..."));
  QUERN_ASSIGN(const int64_t leeway, p.some(3) ? p.integer(3) : Result<int64_t>(5));
  QUERN_TRY(call.runtime.spend(cost::walk(end.size())));
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
  QUERN_ASSIGN(const size_t n_kept,
               char_position(call.runtime, call.self, static_cast<size_t>(n_chars - n_end)));
  std::string_view kept = text.substr(0, n_kept);
  if (!p.flag(1)) {
    QUERN_TRY(call.runtime.spend(cost::walk(kept.size())));
    kept = kept.substr(0, std::min(kept.rfind(' '), kept.size()));
  }
  TextBuilder out(call.runtime);
  QUERN_TRY(out.append(kept));
  QUERN_TRY(out.append(end));
  return out.value();
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
    QUERN_TRY(call.runtime.set(named, Value::string(name), value));
  }
  QUERN_ASSIGN(const Value values, call.runtime.dict(std::move(named)));
  return format_percent(call.runtime, text, values);
}

Result<Value> word_count(const Call& call) {
  QUERN_ASSIGN(const Value value, to_text(call.runtime, call.self));
  const std::string_view text = value.text();
  QUERN_TRY(call.runtime.spend(cost::convert(text.size())));
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

// The text without what stands between < and >, and without comments.
Status without_tags(TextBuilder& out, std::string_view text) {
  QUERN_TRY(out.runtime().spend(cost::convert(text.size())));
  // Once one of these is not found, it is not found again further on.
  bool tags_end = true;
  bool comments_end = true;
  size_t written = 0;
  for (size_t at = text.find('<'); at < text.size(); at = text.find('<', at)) {
    const bool comment = text.substr(at).starts_with("<!--");
    bool& ends = comment ? comments_end : tags_end;
    const size_t end = ends ? text.find(comment ? "-->" : ">", at) : std::string_view::npos;
    ends = end != std::string_view::npos;
    if (!ends) {
      ++at;
      continue;
    }
    QUERN_TRY(out.append(text.substr(written, at - written)));
    at = end + (comment ? 3 : 1);
    written = at;
  }
  return out.append(text.substr(written));
}

Result<Value> strip_tags(const Call& call) {
  QUERN_TRY(Params::bind(call, {.function = "striptags", .names = {}}));
  QUERN_ASSIGN(const Value text, to_text(call.runtime, call.self));
  TextBuilder plain(call.runtime);
  QUERN_TRY(without_tags(plain, text.text()));
  QUERN_ASSIGN(const Parts words, split_space(call.runtime, plain.view(), SIZE_MAX));
  TextBuilder joined(call.runtime);
  for (const std::string_view word : words) {
    QUERN_TRY(joined.append(joined.empty() ? "" : " "));
    QUERN_TRY(joined.append(word));
  }
  return joined.value(call.self.is_markup());
}

// How an URL writes a byte; empty when as it is.
std::string url_escape(char c, bool keeps_slash) {
  static constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~";
  if (kPlain.find(c) != std::string_view::npos || (c == '/' && keeps_slash)) {
    return {};
  }
  return c == ' ' && !keeps_slash ? "+" : fmt::format("%{:02X}", static_cast<unsigned char>(c));
}

Status quote_url(TextBuilder& out, std::string_view text, bool keeps_slash) {
  QUERN_TRY(out.runtime().spend(2 * cost::convert(text.size())));
  size_t written = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (const std::string escape = url_escape(text[at], keeps_slash); !escape.empty()) {
      QUERN_TRY(out.append(text.substr(written, at - written)));
      QUERN_TRY(out.append(escape));
      written = at + 1;
    }
  }
  return out.append(text.substr(written));
}

Status quote_pair(TextBuilder& out, const Value& pair) {
  QUERN_ASSIGN(const std::vector<Value> parts, out.runtime().collect(pair));
  if (parts.size() != 2) {
    return raise("urlencode wants pairs of a name and a value");
  }
  QUERN_TRY(out.append(out.empty() ? "" : "&"));
  QUERN_ASSIGN(const Value name, to_text(out.runtime(), parts[0]));
  QUERN_ASSIGN(const Value value, to_text(out.runtime(), parts[1]));
  QUERN_TRY(quote_url(out, name.text(), false));
  QUERN_TRY(out.append("="));
  return quote_url(out, value.text(), false);
}

Result<Value> url_encode(const Call& call) {
  TextBuilder out(call.runtime);
  const Kind kind = call.self.kind();
  if (kind == Kind::string || !iterable(call.self)) {
    QUERN_ASSIGN(const Value text, to_text(call.runtime, call.self));
    QUERN_TRY(quote_url(out, text.text(), true));
    return out.value();
  }
  Value pairs = call.self;
  if (kind == Kind::dict) {
    QUERN_ASSIGN(pairs, find_method(Kind::dict, "items")->function(call));
  }
  QUERN_ASSIGN(const std::vector<Value> items, call.runtime.collect(pairs));
  for (const Value& item : items) {
    QUERN_TRY(quote_pair(out, item));
  }
  return out.value();
}

Result<Value> file_size(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "filesizeformat", .names = {"binary"}}));
  if (call.self.is(Kind::undefined)) {
    return raise_undefined(call.self);
  }
  std::optional<double> size;
  if (call.self.is(Kind::string)) {
    QUERN_TRY(call.runtime.spend(cost::convert(call.self.text().size())));
    QUERN_TRY(call.runtime.reserve(2 * call.self.text().size()));
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
  TextBuilder out(call.runtime);
  for (const Dict::Entry& entry : call.self.entries()) {
    QUERN_TRY(call.runtime.step());
    if (entry.value.is(Kind::none) || entry.value.is(Kind::undefined)) {
      continue;
    }
    QUERN_ASSIGN(const Value name, to_text(call.runtime, entry.key));
    QUERN_ASSIGN(const Value value, to_text(call.runtime, entry.value));
    if (name.text().find_first_of(" \t\n\r\f\v/>=") != std::string_view::npos) {
      return raise("Invalid character in attribute name: " + short_repr(name));
    }
    QUERN_TRY(out.append(out.empty() && !p.flag(0, true) ? "" : " "));
    QUERN_TRY(append_html(out, name.text()));
    QUERN_TRY(out.append("=\""));
    QUERN_TRY(value.is_markup() ? out.append(value.text()) : append_html(out, value.text()));
    QUERN_TRY(out.append("\""));
  }
  return out.value();
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
    {"striptags", strip_tags},
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
