// ServedModel: a loaded model with its engine, and what the manager knows about its use.
// `loaded` and `engine` may be used from any thread as their headers say; `use` belongs to the
// manager, under its lock. Owned by the manager and by leases together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "engine/engine_thread.h"
#include "engine/loaded_model.h"

namespace quern {

struct ServedModel;

// Whom a lease tells that it ended, or that there is another one beside it.
class LeaseKeeper {
 public:
  virtual ~LeaseKeeper() = default;
  // Takes the lease's share: the keeper's own is to be the last one.
  virtual void lease_ended(std::shared_ptr<ServedModel> served) = 0;
  virtual void lease_shared(ServedModel& served) = 0;
};

// What decides when a model goes.
struct ModelUse {
  uint32_t n_leases = 0;
  int64_t last_used_us = 0;   // when its last lease began or ended
  int64_t keep_alive_us = 0;  // idle time until it goes; negative: for ever
  bool is_leaving = false;    // a load waits for its memory: no new leases
};

struct ServedModel {
  std::string name;
  std::filesystem::path path;
  std::string file;    // the path in its one true form: two names of one file share a model
  uint64_t bytes = 0;  // weights, activations and the whole KV pool
  int64_t loaded_us = 0;
  int64_t load_duration_us = 0;
  // The engine goes before the model that it borrows.
  std::unique_ptr<LoadedModel> loaded = {};
  std::unique_ptr<EngineThread> engine = {};
  std::weak_ptr<LeaseKeeper> keeper = {};
  ModelUse use = {};
};

}  // namespace quern
