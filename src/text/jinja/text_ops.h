// Searching, splitting and replacing, for methods and filters. All take time linear in their texts,
// which is paid for before.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/jinja/runtime.h"
#include "text/jinja/unicode.h"

namespace quern::jinja {

// Offset of the first, or the last, `wanted` in `text`; npos when there is none.
Result<size_t> find_text(Runtime& runtime, std::string_view text, std::string_view wanted);
Result<size_t> rfind_text(Runtime& runtime, std::string_view text, std::string_view wanted);
// How often `wanted`, which is not empty, is in `text` without overlap.
Result<size_t> count_text(Runtime& runtime, std::string_view text, std::string_view wanted);

struct Cut {
  std::string_view separator;  // not empty
  size_t limit = SIZE_MAX;     // cuts at most
};
using Parts = std::vector<std::string_view>;
Result<Parts> split_text(Runtime& runtime, std::string_view text, const Cut& cut);
Result<Parts> rsplit_text(Runtime& runtime, std::string_view text, const Cut& cut);
// At runs of whitespace, without empty parts.
Result<Parts> split_space(Runtime& runtime, std::string_view text, size_t limit);
Result<Parts> rsplit_space(Runtime& runtime, std::string_view text, size_t limit);
// At the ends of lines.
Result<Parts> split_lines(Runtime& runtime, std::string_view text, bool keep_ends);

struct Replacement {
  std::string_view from;
  std::string_view to;
  size_t limit = SIZE_MAX;
};
Result<Value> replace_text(Runtime& runtime, const Value& text, const Replacement& how);

// Bytes before the n-th character.
Result<size_t> char_position(Runtime& runtime, const Value& text, size_t n);
// Text without the whitespace, or without the `chars`, at its ends.
struct Strip {
  Side side = Side::both;
  const std::string_view* chars = nullptr;  // whitespace when null
};
Result<std::string_view> strip_text(Runtime& runtime, std::string_view text, const Strip& how);

}  // namespace quern::jinja
