// Splitting and replacing, for methods and filters.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/jinja/runtime.h"

namespace quern::jinja {

struct Cut {
  std::string_view separator;  // not empty
  size_t limit = SIZE_MAX;     // cuts at most
};
std::vector<std::string_view> split_text(std::string_view text, const Cut& cut);
std::vector<std::string_view> rsplit_text(std::string_view text, const Cut& cut);
// At runs of whitespace, without empty parts.
std::vector<std::string_view> split_space(std::string_view text, size_t limit);
std::vector<std::string_view> rsplit_space(std::string_view text, size_t limit);

struct Replacement {
  std::string_view from;
  std::string_view to;
  size_t limit = SIZE_MAX;
};
Result<std::string> replace_text(Runtime& runtime, std::string_view text, const Replacement& how);

}  // namespace quern::jinja
