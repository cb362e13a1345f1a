// Loading one model for the manager: file to running engine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/result.h"
#include "engine/engine_thread.h"
#include "engine/loaded_model.h"

namespace quern {

struct LoadJob {
  std::filesystem::path path;
  uint64_t kv_bytes = 0;  // the pool
  // Others compute meanwhile: packing takes one thread of low priority instead of all cores.
  bool quietly = false;
  LoadProgress progress = {};
};

struct LoadedEngine {
  std::unique_ptr<LoadedModel> model;
  std::unique_ptr<EngineThread> engine;
  uint64_t bytes = 0;  // weights, activations and the whole KV pool
};

using ModelLoader = std::function<Result<LoadedEngine>(const LoadJob&)>;

struct ModelLoaderSetup {
  EngineThreadConfig engine;
  uint32_t n_threads = 0;  // 0: what affinity and cgroup quota allow
  std::optional<std::string> isa;
  uint32_t max_batch_tokens = 512;
  bool allow_unknown_pre = false;
};

// Borrows the metrics, for as long as the engines live that it starts.
ModelLoader make_model_loader(ModelLoaderSetup setup, EngineMetrics& metrics, Log log);

}  // namespace quern
