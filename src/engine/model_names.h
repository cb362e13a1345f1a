// From what a user writes to one of the models found.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/discovery.h"

namespace quern {

// The model that `wanted` names exactly, or that it alone names in another case or with or without
// ":latest"; null when there is none.
const FoundModel* find_named(const std::vector<FoundModel>& models, std::string_view wanted);

// The names nearest to `wanted`, for an error: "'a', 'b'"; empty when none resembles it.
std::string suggested_names(std::string_view wanted, const std::vector<FoundModel>& models);

}  // namespace quern
