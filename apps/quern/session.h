// A model opened by the command line, ready to answer: found, loaded with a progress line, and an
// engine on it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/loaded_model.h"

namespace quern::app {

// The flags that every command with a running model has.
struct ModelFlags {
  std::string model;
  std::vector<std::string> folders;
  uint32_t n_threads = 0;
  std::string kv_type = "f16";
};

// MODEL, --threads, --kv-type and --models; `flags` must live as long as the command.
void add_model_flags(CLI::App& command, ModelFlags& flags);

// Where the model lies; looks into the model folders only when MODEL is no path.
Result<std::filesystem::path> find_model(const ModelFlags& flags);

// The engine goes before the model that it borrows.
struct Session {
  std::unique_ptr<LoadedModel> model;
  std::unique_ptr<Engine> engine;
};

struct SessionNeeds {
  std::filesystem::path path;
  uint32_t n_ctx = 0;  // 0: the model's own
};

// Warnings and progress go to stderr. The engine runs one request at a time.
Result<Session> open_session(const ModelFlags& flags, const SessionNeeds& needs);

}  // namespace quern::app
