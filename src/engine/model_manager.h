// ModelManager: the models of this process: found by name, loaded on demand in the background, kept
// while memory allows, least recently used out first.
// Thread-safe. Owns the loaded models with their engine threads; a lease keeps one from going away.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/retry.h"
#include "base/system_info.h"
#include "engine/discovery.h"
#include "engine/engine_thread.h"
#include "engine/loaded_model.h"
#include "engine/model_loader.h"

namespace quern {

inline constexpr int64_t kKeepForever = -1;

// What the manager takes from the machine; tests put their own in its place.
struct ModelManagerPorts {
  std::function<int64_t()> now_us = monotonic_us;
  std::function<uint64_t()> available_bytes = available_memory_bytes;
  ModelLoader load = {};  // empty: make_model_loader()
};

// With engine.kv_bytes 0, a model's KV pool is what kv_pool_bytes() gives it (memory_need.h).
struct ModelManagerConfig {
  HostPaths host;
  EngineThreadConfig engine;  // of every model
  uint32_t n_threads = 0;
  std::optional<std::string> isa;
  uint32_t max_batch_tokens = 512;
  bool allow_unknown_pre = false;
  // Weights, activations and whole KV pools (which they can grow to) of all models, and never more
  // than the machine has; 0: what it has.
  uint64_t memory_bytes = 0;
  int64_t keep_alive_ms = int64_t{300} * 1000;  // idle time until a model is unloaded; kKeepForever
  int64_t failure_memory_ms = 5'000;            // a failed load answers at once for so long
  RetryPolicy retry = {};                       // of loads that failed for a reason that may pass
  ModelManagerPorts ports = {};
};

// One loaded model; what a request needs of it.
struct ServedModel;

// Counts as work in flight while it lives: the model is not evicted. Move-only.
class ModelLease {
 public:
  ModelLease(ModelLease&&) noexcept;
  ModelLease& operator=(ModelLease&&) noexcept;
  ~ModelLease();

  // As the list of models writes it.
  const std::string& name() const { return name_; }
  LoadedModel& model() const;  // tokenizer() and chat_template() from any thread
  EngineThread& engine() const;
  // Another lease of this model, which needs no waiting whatever else waits for its memory.
  ModelLease share() const;

 private:
  friend class ModelManager;
  // The lease must have been counted.
  ModelLease(std::shared_ptr<ServedModel> served, std::string name);
  void end();

  // Shared with the manager: a lease may outlive it, and then takes the engine down with it (which
  // must not happen on the engine's own thread).
  std::shared_ptr<ServedModel> served_;
  std::string name_;  // the one it was asked for
};

// A call of acquire() that may be given up. The manager's own.
struct ModelWait;

struct ModelStatus {
  std::string name;
  std::filesystem::path path;
  enum class State : uint8_t { loading, ready, failed } state = State::ready;
  double load_progress = 1.0;  // 0 to 1
  std::string error;           // of a failed one
  uint64_t bytes = 0;          // weights + KV + activations
  int64_t last_used_us = 0;
  int64_t expires_us = -1;  // when keep_alive ends; -1: never
  uint32_t in_flight = 0;
  EngineSnapshot engine;  // of a ready one
  int64_t step_age_ms = 0;
  bool is_stuck = false;
};

struct ModelCacheStats {
  uint64_t n_hits = 0;       // acquired at once
  uint64_t n_misses = 0;     // had to wait for a load
  uint64_t n_evictions = 0;  // made room for another; going idle or unloaded does not count
  uint64_t n_load_failures = 0;
  uint64_t n_load_retries = 0;
  uint64_t loaded_bytes = 0;
  uint64_t limit_bytes = 0;
};

class ModelManager {
 public:
  static Result<std::unique_ptr<ModelManager>> create(ModelManagerConfig config,
                                                      EngineMetrics& metrics, const Log& log);
  ~ModelManager();

  // Makes a file given on the command line known by a name, though it may lie outside the folders.
  // Also the names that requests may use at all are these and list_models()': a path in a request
  // is never opened.
  Result<std::string> add_file(const std::filesystem::path& path);
  // The same of a listed name, which comes back as the list writes it. Looks at the disk.
  Result<std::string> add_name(const std::string& name);

  // What can be told of a model before it is loaded: that there is one of that name, that its file
  // is whole, that its architecture can be run, and that it can fit. Looks at the disk.
  Status examine(const std::string& name);

  // Calls `ready` exactly once, with a lease or with the error: at once in the caller's thread when
  // the model is loaded or cannot be, else later on a thread of the manager, which `ready` must not
  // hold up. Never waits for the disk. Loads take their turns in the order of their requests. One
  // that lacks room which models at work hold waits for it: the least recently used of those take
  // no new work, and go when what they have in flight has ended; requests for them wait as for any
  // load. not_found: no such model, with the nearest names. out_of_memory: the machine has not
  // enough, even without the other models. unsupported: it cannot be run here, nor ever fit into
  // memory_bytes. cancelled: the manager is being destroyed, or the call was given up.
  using Ready = std::function<void(Result<ModelLease>)>;
  std::shared_ptr<ModelWait> acquire(const std::string& name, Ready ready);
  // Its answer is not wanted any more: no load waits for room when all who wanted it gave up.
  // `ready` is still called.
  void give_up(ModelWait& wait);

  // Idle time until this model goes; 0: when its last lease ends; kKeepForever: never. For a model
  // that is loaded or loading, until it is unloaded.
  void set_keep_alive(const std::string& name, int64_t keep_alive_ms);
  // Unloads it once it has no work in flight; false if it is not loaded.
  bool unload(const std::string& name);

  // Found on disk, at most a second ago, and added.
  std::vector<FoundModel> list() const;
  std::vector<ModelStatus> status() const;  // loading, ready and lately failed ones
  ModelCacheStats stats() const;
  // The one model that a request without a name means: the one that was added, or the only one
  // there is; else empty.
  std::string default_name() const;

 private:
  class Impl;
  explicit ModelManager(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;  // leases tell it of their end, if it is still there
};

}  // namespace quern
