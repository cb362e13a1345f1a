// Values as text: Python's str() and repr(), and JSON as json.dumps writes it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace quern::jinja {

// str(value), appended. An undefined value is nothing.
Status append_text(Runtime& runtime, std::string& out, const Value& value);
Result<std::string> to_text(Runtime& runtime, const Value& value);
Result<std::string> to_repr(Runtime& runtime, const Value& value);

std::string repr_string(std::string_view text, bool ascii_only = false);
// Shortest text that reads back as the same number, laid out as Python does it.
std::string repr_real(double value);
// For messages: scalars in full, containers by their type.
std::string short_repr(const Value& value);
// &, <, >, ' and " as HTML entities.
std::string escape_html(std::string_view text);

struct JsonOptions {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
Result<std::string> to_json(Runtime& runtime, const Value& value, const JsonOptions& options);

}  // namespace quern::jinja
