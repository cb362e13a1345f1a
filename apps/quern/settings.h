// What /set in the REPL can change, by name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "generation.h"

namespace quern::app {

struct Settings {
  GenerationFlags generation;
  std::optional<std::string> system;
};

// `value` in words; an empty one goes back to the default. Errors name what is possible; the
// settings are then as before.
Status change_setting(Settings& settings, std::string_view name, std::string_view value);

// One "name  value" line for each, with what holds for this model where the user has said nothing.
std::string list_settings(const Settings& settings, const LoadedModel& model);

}  // namespace quern::app
