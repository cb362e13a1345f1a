// Values as text: Python's str() and repr(), and JSON as json.dumps writes it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/jinja/runtime.h"
#include "text/jinja/text_builder.h"
#include "text/jinja/value.h"

namespace quern::jinja {

// str(value), appended. An undefined value is nothing.
Status append_text(TextBuilder& out, const Value& value);
// str(value): a string is itself.
Result<Value> to_text(Runtime& runtime, const Value& value);
Result<Value> to_repr(Runtime& runtime, const Value& value);

Status append_repr(TextBuilder& out, std::string_view text);
// Shortest text that reads back as the same number, laid out as Python does it.
std::string repr_real(double value);
// For messages: scalars, long strings cut, containers by their type.
std::string short_repr(const Value& value);
std::string short_repr(std::string_view text);
// &, <, >, ' and " as HTML entities.
Status append_html(TextBuilder& out, std::string_view text);
Result<Value> escape_html(Runtime& runtime, std::string_view text);

struct JsonOptions {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
Result<Value> to_json(Runtime& runtime, const Value& value, const JsonOptions& options);

}  // namespace quern::jinja
