// Methods of str. Source: Python's library reference, "String Methods".
#include <algorithm>
#include <array>

#include "text/jinja/format.h"
#include "text/jinja/operators.h"
#include "text/jinja/params.h"
#include "text/jinja/print.h"
#include "text/jinja/tables.h"
#include "text/jinja/text_ops.h"
#include "text/jinja/unicode.h"

namespace quern::jinja {

// A name of its own, because several files define a `join` or a `count`.
namespace methods_text {
namespace {

// The result keeps the self's markup flag.
Result<Value> same_kind(const Call& call, std::string_view text) {
  return call.runtime.text(text, call.self.is_markup());
}

template <std::string (*convert)(std::string_view)>
Result<Value> mapped(const Call& call) {
  QUERN_TRY(Params::bind(call, {.function = "method", .names = {}}));
  QUERN_TRY(call.runtime.spend(cost::convert(call.self.text().size())));
  QUERN_TRY(call.runtime.reserve(kCaseGrowth * call.self.text().size()));
  return call.runtime.string(convert(call.self.text()), call.self.is_markup());
}

template <Side side>
Result<Value> stripped(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = "strip", .names = {"chars"}}));
  QUERN_ASSIGN(const std::string_view chars, p.some(0) ? p.text(0) : Result<std::string_view>(""));
  QUERN_ASSIGN(const std::string_view text,
               strip_text(call.runtime, call.self.text(),
                          {.side = side, .chars = p.some(0) ? &chars : nullptr}));
  return same_kind(call, text);
}

Result<Value> text_list(const Call& call, const Result<Parts>& parts) {
  QUERN_TRY(parts);
  std::vector<Value> items;
  items.reserve(parts->size());
  for (const std::string_view part : *parts) {
    QUERN_ASSIGN(Value item, same_kind(call, part));
    items.push_back(std::move(item));
  }
  return call.runtime.list(std::move(items));
}

template <bool from_right>
Result<Value> split(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "split", .names = {"sep", "maxsplit"}}));
  QUERN_ASSIGN(const int64_t n_max, p.integer(1, -1));
  const size_t limit = n_max < 0 ? SIZE_MAX : static_cast<size_t>(n_max);
  if (!p.some(0)) {
    return text_list(call, from_right ? rsplit_space(call.runtime, call.self.text(), limit)
                                      : split_space(call.runtime, call.self.text(), limit));
  }
  QUERN_ASSIGN(const std::string_view separator, p.text(0));
  if (separator.empty()) {
    return raise("empty separator");
  }
  const Cut cut = {.separator = separator, .limit = limit};
  return text_list(call, from_right ? rsplit_text(call.runtime, call.self.text(), cut)
                                    : split_text(call.runtime, call.self.text(), cut));
}

Result<Value> splitlines(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "splitlines", .names = {"keepends"}}));
  return text_list(call, split_lines(call.runtime, call.self.text(), p.flag(0)));
}

// partition and rpartition
template <bool from_right>
Result<Value> partition(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "partition", .names = {"sep"}, .n_required = 1}));
  QUERN_ASSIGN(const std::string_view separator, p.text(0));
  if (separator.empty()) {
    return raise("empty separator");
  }
  const std::string_view text = call.self.text();
  QUERN_ASSIGN(const size_t at, from_right ? rfind_text(call.runtime, text, separator)
                                           : find_text(call.runtime, text, separator));
  std::array<std::string_view, 3> parts = {text, "", ""};
  if (at != std::string_view::npos) {
    parts = {text.substr(0, at), separator, text.substr(at + separator.size())};
  } else if (from_right) {
    parts = {"", "", text};
  }
  QUERN_ASSIGN(const Value list, text_list(call, Parts(parts.begin(), parts.end())));
  return call.runtime.tuple(list.items());
}

struct Window {
  std::string_view text;
  size_t first_char = 0;
  bool valid = true;  // start is not behind the end
};

// The part of self that start and end (arguments `at` and `at + 1`) choose.
Result<Window> window(const Call& call, const Params& p, size_t at) {
  const auto n = static_cast<int64_t>(call.self.n_chars());
  QUERN_ASSIGN(int64_t start, p.some(at) ? p.integer(at) : Result<int64_t>(0));
  QUERN_ASSIGN(int64_t end, p.some(at + 1) ? p.integer(at + 1) : Result<int64_t>(n));
  start = start < 0 ? std::max<int64_t>(0, start + n) : start;
  end = std::clamp<int64_t>(end < 0 ? end + n : end, 0, n);
  Window out;
  out.valid = start <= end;
  if (out.valid) {
    QUERN_ASSIGN(const size_t from,
                 char_position(call.runtime, call.self, static_cast<size_t>(start)));
    QUERN_ASSIGN(const size_t to, char_position(call.runtime, call.self, static_cast<size_t>(end)));
    out.text = call.self.text().substr(from, to - from);
    out.first_char = static_cast<size_t>(start);
  }
  return out;
}

Result<std::optional<int64_t>> find_in_window(const Call& call, bool from_right) {
  QUERN_ASSIGN(
      const Params p,
      Params::bind(call, {.function = "find", .names = {"sub", "start", "end"}, .n_required = 1}));
  QUERN_ASSIGN(const std::string_view wanted, p.text(0));
  QUERN_ASSIGN(const Window in, window(call, p, 1));
  QUERN_ASSIGN(const size_t at, from_right ? rfind_text(call.runtime, in.text, wanted)
                                           : find_text(call.runtime, in.text, wanted));
  if (!in.valid || at == std::string_view::npos) {
    return std::optional<int64_t>();
  }
  QUERN_TRY(call.runtime.spend(cost::walk(at)));
  return std::optional(static_cast<int64_t>(in.first_char + count_chars(in.text.substr(0, at))));
}

template <bool from_right>
Result<Value> find(const Call& call) {
  QUERN_ASSIGN(const std::optional<int64_t> at, find_in_window(call, from_right));
  return Value::integer(at.value_or(-1));
}

template <bool from_right>
Result<Value> index(const Call& call) {
  QUERN_ASSIGN(const std::optional<int64_t> at, find_in_window(call, from_right));
  if (!at) {
    return raise("substring not found");
  }
  return Value::integer(*at);
}

Result<Value> count(const Call& call) {
  QUERN_ASSIGN(
      const Params p,
      Params::bind(call, {.function = "count", .names = {"sub", "start", "end"}, .n_required = 1}));
  QUERN_ASSIGN(const std::string_view wanted, p.text(0));
  QUERN_ASSIGN(const Window in, window(call, p, 1));
  if (!in.valid) {
    return Value::integer(0);
  }
  if (wanted.empty()) {
    QUERN_TRY(call.runtime.spend(cost::walk(in.text.size())));
    return Value::integer(static_cast<int64_t>(count_chars(in.text)) + 1);
  }
  QUERN_ASSIGN(const size_t n, count_text(call.runtime, in.text, wanted));
  return Value::integer(static_cast<int64_t>(n));
}

template <bool at_end>
bool has_affix(std::string_view text, std::string_view affix) {
  return at_end ? text.ends_with(affix) : text.starts_with(affix);
}

// startswith and endswith, for one text or a tuple of them
template <bool at_end>
Result<Value> has_affixes(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = at_end ? "endswith" : "startswith",
                                                   .names = {"affix", "start", "end"},
                                                   .n_required = 1}));
  QUERN_ASSIGN(const Window in, window(call, p, 1));
  std::vector<Value> affixes = {p[0]};
  if (p[0].is(Kind::tuple)) {
    affixes = p[0].items();
  }
  for (const Value& affix : affixes) {
    if (affix.is(Kind::undefined)) {
      return raise_undefined(affix);
    }
    if (!affix.is(Kind::string)) {
      return raise(std::string(at_end ? "endswith" : "startswith") +
                   " first arg must be str or a tuple of str, not " +
                   std::string(type_name(affix)));
    }
    QUERN_TRY(call.runtime.spend(cost::kItem + cost::copy(affix.text().size())));
    if (in.valid && has_affix<at_end>(in.text, affix.text())) {
      return Value::boolean(true);
    }
  }
  return Value::boolean(false);
}

template <bool at_end>
Result<Value> without_affix(const Call& call) {
  QUERN_ASSIGN(
      const Params p,
      Params::bind(call, {.function = "removeprefix", .names = {"affix"}, .n_required = 1}));
  QUERN_ASSIGN(const std::string_view affix, p.text(0));
  std::string_view text = call.self.text();
  QUERN_TRY(call.runtime.spend(cost::copy(affix.size())));
  if (has_affix<at_end>(text, affix)) {
    text = at_end ? text.substr(0, text.size() - affix.size()) : text.substr(affix.size());
  }
  return same_kind(call, text);
}

Result<Value> replace(const Call& call) {
  QUERN_ASSIGN(const Params p, Params::bind(call, {.function = "replace",
                                                   .names = {"old", "new", "count"},
                                                   .n_required = 2}));
  QUERN_ASSIGN(const std::string_view from, p.text(0));
  QUERN_ASSIGN(const std::string_view to, p.text(1));
  QUERN_ASSIGN(const int64_t n_max, p.integer(2, -1));
  Value escaped = p[1];
  if (call.self.is_markup() && !p[1].is_markup()) {
    QUERN_ASSIGN(escaped, escape_html(call.runtime, to));
  }
  return replace_text(call.runtime, call.self,
                      {.from = from,
                       .to = escaped.text(),
                       .limit = n_max < 0 ? SIZE_MAX : static_cast<size_t>(n_max)});
}

Result<Value> join(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "join", .names = {"iterable"}, .n_required = 1}));
  QUERN_ASSIGN(const std::vector<Value> items, call.runtime.collect(p[0]));
  const bool markup = call.self.is_markup();
  TextBuilder out(call.runtime);
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is(Kind::string)) {
      return raise("sequence item " + std::to_string(i) + ": expected str instance, " +
                   std::string(type_name(items[i])) + " found");
    }
    QUERN_TRY(call.runtime.spend(cost::kItem));
    QUERN_TRY(out.append(i > 0 ? call.self.text() : ""));
    const bool escapes = markup && !items[i].is_markup();
    QUERN_TRY(escapes ? append_html(out, items[i].text()) : out.append(items[i].text()));
  }
  return out.value(markup);
}

// ljust, rjust, center
template <char align>
Result<Value> padded(const Call& call) {
  QUERN_ASSIGN(
      const Params p,
      Params::bind(call, {.function = "ljust", .names = {"width", "fillchar"}, .n_required = 1}));
  FormatSpec spec;
  QUERN_ASSIGN(spec.width, p.integer(0));
  QUERN_ASSIGN(const std::string_view fill, p.text(1, " "));
  if (fill.size() > 4 || count_chars(fill) != 1) {
    return raise("The fill character must be exactly one character long");
  }
  spec.fill = std::string(fill);
  spec.align = align;
  const auto n = static_cast<int64_t>(call.self.n_chars());
  TextBuilder out(call.runtime);
  if (align == '^' && spec.width > n && (spec.width - n) % 2 == 1 && spec.width % 2 == 1) {
    // Python's center puts the odd one to the left when the width is odd.
    QUERN_TRY(out.append(spec.fill));
    spec.width -= 1;
  }
  QUERN_TRY(format_text(out, call.self.text(), spec));
  return out.value(call.self.is_markup());
}

Result<Value> zfill(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "zfill", .names = {"width"}, .n_required = 1}));
  QUERN_ASSIGN(const int64_t width, p.integer(0));
  const std::string_view text = call.self.text();
  const bool is_signed = text.starts_with('-') || text.starts_with('+');
  const FormatSpec spec = {.fill = "0",
                           .align = '>',
                           .width = width - (is_signed ? 1 : 0),
                           .grouping = 0,
                           .precision = std::nullopt};
  TextBuilder out(call.runtime);
  QUERN_TRY(out.append(text.substr(0, is_signed ? 1 : 0)));
  QUERN_TRY(format_text(out, text.substr(is_signed ? 1 : 0), spec));
  return out.value(call.self.is_markup());
}

Result<Value> expandtabs(const Call& call) {
  QUERN_ASSIGN(const Params p,
               Params::bind(call, {.function = "expandtabs", .names = {"tabsize"}}));
  QUERN_ASSIGN(const int64_t size, p.integer(0, 8));
  const uint64_t tab = size < 0 ? 0 : static_cast<uint64_t>(size);
  TextBuilder out(call.runtime);
  QUERN_TRY(call.runtime.spend(cost::convert(call.self.text().size())));
  uint64_t column = 0;
  for (const char c : call.self.text()) {
    if (c == '\t') {
      const uint64_t n = tab == 0 ? 0 : tab - column % tab;
      QUERN_TRY(out.fill(" ", n));
      column += n;
      continue;
    }
    QUERN_TRY(out.append({&c, 1}));
    const bool starts_char = (c & 0xC0) != 0x80;
    column = c == '\n' || c == '\r' ? 0 : column + static_cast<uint64_t>(starts_char);
  }
  return out.value(call.self.is_markup());
}

Result<Value> format(const Call& call) {
  return format_braces(call.runtime, call.self, call.args);
}

Result<Value> format_map(const Call& call) {
  QUERN_ASSIGN(
      const Params p,
      Params::bind(call, {.function = "format_map", .names = {"mapping"}, .n_required = 1}));
  Args args;
  if (!p[0].is(Kind::dict)) {
    return raise("format_map() argument must be a mapping");
  }
  QUERN_TRY(call.runtime.spend(cost::weigh(p[0].weight())));
  QUERN_TRY(call.runtime.reserve_items(2 * p[0].entries().size()));
  for (const Dict::Entry& entry : p[0].entries()) {
    if (entry.key.is(Kind::string)) {
      args.named.emplace_back(std::string(entry.key.text()), entry.value);
    }
  }
  return format_braces(call.runtime, call.self, args);
}

constexpr std::array<Builtin, 32> kMethods = {{
    {"strip", stripped<Side::both>},
    {"lstrip", stripped<Side::left>},
    {"rstrip", stripped<Side::right>},
    {"split", split<false>},
    {"rsplit", split<true>},
    {"startswith", has_affixes<false>},
    {"endswith", has_affixes<true>},
    {"replace", replace},
    {"join", join},
    {"format", format},
    {"lower", mapped<to_lower>},
    {"upper", mapped<to_upper>},
    {"title", mapped<to_title>},
    {"capitalize", mapped<to_capitalized>},
    {"swapcase", mapped<swap_case>},
    {"casefold", mapped<to_casefold>},
    {"find", find<false>},
    {"rfind", find<true>},
    {"index", index<false>},
    {"rindex", index<true>},
    {"count", count},
    {"splitlines", splitlines},
    {"partition", partition<false>},
    {"rpartition", partition<true>},
    {"removeprefix", without_affix<false>},
    {"removesuffix", without_affix<true>},
    {"ljust", padded<'<'>},
    {"rjust", padded<'>'>},
    {"center", padded<'^'>},
    {"zfill", zfill},
    {"expandtabs", expandtabs},
    {"format_map", format_map},
}};

}  // namespace
}  // namespace methods_text

std::span<const Builtin> text_methods() {
  return methods_text::kMethods;
}

}  // namespace quern::jinja
