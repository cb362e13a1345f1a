// Suggestions for a mistyped name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quern {

// At most three of `names` that resemble `wanted`, nearest first: those that contain it, or differ
// from it in at most a third of its letters (edit distance, case ignored).
std::vector<std::string> nearest_names(std::string_view wanted,
                                       const std::vector<std::string>& names);

}  // namespace quern
