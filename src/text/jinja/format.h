// Python's three ways of formatting: "..." % values, "...".format(...) and format specs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/jinja/native.h"
#include "text/jinja/runtime.h"
#include "text/jinja/text_builder.h"

namespace quern::jinja {

// text % values, where values is a tuple, a dict or one value.
Result<Value> format_percent(Runtime& runtime, const Value& text, const Value& values);
// text.format(*args, **named)
Result<Value> format_braces(Runtime& runtime, const Value& text, const Args& args);

// What both make of one value once the directive is parsed.
struct FormatSpec {
  std::string fill = " ";
  char align = 0;   // < > ^ = or 0 for the type's own
  char sign = '-';  // + or a space where one was asked for
  bool alternate = false;
  int64_t width = 0;
  char grouping = 0;
  std::optional<int64_t> precision;
  char type = 0;
  bool zero_padded = false;  // 0 before the width, without an alignment
};
// `value` must be a number; type is one of d b o x X c n e E f F g G % or 0.
Status format_number(TextBuilder& out, const Value& value, const FormatSpec& spec);
// Cuts to the precision and pads to the width.
Status format_text(TextBuilder& out, std::string_view text, const FormatSpec& spec);
// round(value, n_digits) as Python does it: to even, on the exact binary value.
double round_real(double value, int64_t n_digits);

}  // namespace quern::jinja
