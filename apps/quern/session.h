// A model opened by the command line, ready to answer: found, loaded with a progress line, and an
// engine on it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/loaded_model.h"
#include "model_name.h"

namespace quern::app {

// The flags that every command with a running model has.
struct ModelFlags {
  ModelName name;
  uint32_t n_threads = 0;
  std::string kv_type = "f16";
  bool allow_unknown_pre = false;
};

// MODEL, --models, --threads, --kv-type and --allow-unknown-pre; `flags` must live as long as the
// command.
void add_model_flags(CLI::App& command, ModelFlags& flags);

// --kv-type, and what its words mean.
void add_kv_type_flag(CLI::App& command, std::string& type);
KvDType kv_dtype(const std::string& type);

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
