// The flags of `quern serve`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "engine/model_manager.h"
#include "server/server_context.h"

namespace quern::app {

struct ServeFlags {
  std::vector<std::string> models;  // loaded at the start
  std::vector<std::string> folders;
  server::ServerConfig http;
  std::string api_key_file;
  bool insecure = false;
  std::string log_format = "text";

  uint32_t n_ctx = 0;
  uint32_t max_seqs = 32;
  uint64_t kv_bytes = 0;
  std::string kv_type = "f16";
  uint32_t max_queue = 1024;
  uint64_t max_queue_tokens = 1'000'000;
  uint64_t memory_bytes = 0;
  uint32_t n_threads = 0;
  int64_t keep_alive_s = 300;
  uint32_t step_target_ms = 50;
  bool no_prefix_cache = false;
  bool allow_unknown_pre = false;
};

// `flags` must live as long as the command.
void add_serve_flags(CLI::App& command, ServeFlags& flags);

// What the HTTP server and the models are made of. Errors: a key file that cannot be read, a key
// that no header can carry, an origin that no browser sends, an address that others can reach
// without a key.
Result<server::ServerConfig> server_config(const ServeFlags& flags, const Log& log);
ModelManagerConfig manager_config(const ServeFlags& flags);

}  // namespace quern::app
