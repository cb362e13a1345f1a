// How the user names a model: the argument and the flag that every command with a model shares.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.h"

namespace quern::app {

struct ModelName {
  std::string model;  // a name that `quern list` shows, or a path
  std::vector<std::string> folders;
};

// MODEL and --models; `name` must live as long as the command. MODEL is the option returned.
CLI::Option* add_model_name(CLI::App& command, ModelName& name);
// --models alone.
void add_folders_flag(CLI::App& command, std::vector<std::string>& folders);
// --allow-unknown-pre, for the commands that need the model's vocabulary.
void add_unknown_pre_flag(CLI::App& command, bool& allow_unknown_pre);

// Where the model lies; looks into the model folders only when MODEL is no path.
Result<std::filesystem::path> find_model(const ModelName& name);

}  // namespace quern::app
