// str.isdigit() and its kin.
#include <array>

#include "text/jinja/runtime.h"
#include "text/jinja/tables.h"
#include "text/jinja/unicode.h"

namespace quern::jinja {

// A name of its own, because several files define a `join` or a `count`.
namespace methods_predicates {
namespace {

// All characters of a text that is not empty.
template <bool (*holds)(char32_t)>
Result<Value> all(const Call& call) {
  const std::string_view text = call.self.text();
  QUERN_TRY(call.runtime.spend(cost::convert(text.size())));
  for (size_t at = 0; at < text.size(); at += char_bytes(text, at)) {
    if (!holds(char_at(text, at))) {
      return Value::boolean(false);
    }
  }
  return Value::boolean(!text.empty());
}

// At least one cased character, and all of the wanted case.
template <bool (*wanted)(char32_t)>
Result<Value> all_cased(const Call& call) {
  const std::string_view text = call.self.text();
  QUERN_TRY(call.runtime.spend(cost::convert(text.size())));
  bool any = false;
  for (size_t at = 0; at < text.size(); at += char_bytes(text, at)) {
    const char32_t c = char_at(text, at);
    if (is_cased(c) && !wanted(c)) {
      return Value::boolean(false);
    }
    any = any || wanted(c);
  }
  return Value::boolean(any);
}

bool alphanumeric(char32_t c) {
  return is_alpha(c) || is_numeric(c);
}

Result<Value> is_ascii(const Call& call) {
  return Value::boolean(call.self.n_chars() == call.self.text().size());
}

Result<Value> is_printable_text(const Call& call) {
  return call.self.text().empty() ? Result<Value>(Value::boolean(true)) : all<is_printable>(call);
}

Result<Value> is_identifier(const Call& call) {
  const std::string_view text = call.self.text();
  QUERN_TRY(call.runtime.spend(cost::convert(text.size())));
  for (size_t at = 0; at < text.size(); at += char_bytes(text, at)) {
    const char32_t c = char_at(text, at);
    if (c != '_' && !is_alpha(c) && (at == 0 || !is_decimal(c))) {
      return Value::boolean(false);
    }
  }
  return Value::boolean(!text.empty());
}

Result<Value> is_title_text(const Call& call) {
  const std::string_view text = call.self.text();
  QUERN_TRY(call.runtime.spend(cost::convert(text.size())));
  bool inside = false;
  bool any = false;
  for (size_t at = 0; at < text.size(); at += char_bytes(text, at)) {
    const char32_t c = char_at(text, at);
    const bool upper = is_upper(c) || is_title(c);
    if ((upper && inside) || (is_lower(c) && !inside)) {
      return Value::boolean(false);
    }
    inside = is_cased(c);
    any = any || inside;
  }
  return Value::boolean(any);
}

constexpr std::array<Builtin, 12> kPredicates = {{
    {"isdigit", all<is_decimal>},
    {"isdecimal", all<is_decimal>},
    {"isnumeric", all<is_numeric>},
    {"isalpha", all<is_alpha>},
    {"isalnum", all<alphanumeric>},
    {"isspace", all<is_space>},
    {"isupper", all_cased<is_upper>},
    {"islower", all_cased<is_lower>},
    {"istitle", is_title_text},
    {"isascii", is_ascii},
    {"isprintable", is_printable_text},
    {"isidentifier", is_identifier},
}};

}  // namespace
}  // namespace methods_predicates

std::span<const Builtin> text_predicates() {
  return methods_predicates::kPredicates;
}

}  // namespace quern::jinja
