// What ModelManager is made of: one lock around names, shelf and loads in progress, a loader
// thread, and a housekeeper that unloads what was idle for long enough and looks names up on the
// disk. Callbacks, engines and the disk are never touched under the lock.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/memory_need.h"
#include "engine/model_catalogue.h"
#include "engine/model_manager.h"
#include "engine/model_shelf.h"
#include "engine/served_model.h"

namespace quern {

inline constexpr int64_t kMicrosPerMilli = 1000;

// A negative time is for ever.
int64_t keep_alive_us(int64_t keep_alive_ms);
std::unexpected<Error> is_stopping();

struct ModelWait {
  bool is_over = false;  // under the manager's lock
};

class ModelManager::Impl final : public LeaseKeeper, public std::enable_shared_from_this<Impl> {
 public:
  Impl(ModelManagerConfig config, EngineMetrics& metrics, const Log& log);
  void start();
  // Ends the threads, answers who still waits, and unloads everything without a lease.
  void stop();

  Result<std::string> add_file(const std::filesystem::path& path);
  Status examine(const std::string& name);
  std::shared_ptr<ModelWait> acquire(const std::string& name, Ready ready);
  void give_up(ModelWait& wait);
  void set_keep_alive(const std::string& name, int64_t keep_alive_ms);
  bool unload(const std::string& name);
  std::vector<FoundModel> list();
  std::vector<ModelStatus> status() const;
  ModelCacheStats stats() const;
  std::string default_name();
  Result<std::string> add_name(const std::string& name);

  void lease_ended(std::shared_ptr<ServedModel> served) override;
  void lease_shared(ServedModel& served) override;

 private:
  // Somebody who waits for a model, under the name it was asked by.
  struct Waiter {
    std::string name;
    Ready ready;
    std::shared_ptr<ModelWait> wait;
  };
  // A model that is being loaded or in line for it, and all who wait for it.
  struct Load {
    KnownModel model;
    std::vector<Waiter> waiters;
    std::optional<int64_t> keep_alive_us;  // asked for meanwhile
    std::atomic<uint64_t> n_bytes_done{0};
    std::atomic<uint64_t> n_bytes{0};
    // Of the loader thread alone: no room was found, which the same attempt will not change.
    bool was_refused = false;
  };
  using SharedLoad = std::shared_ptr<Load>;  // the loader's, while the queue may be asked about it
  struct Failure {
    KnownModel model;
    Error error;
    int64_t until_us = 0;
  };
  using Outcome = Result<std::shared_ptr<ServedModel>>;
  // Callbacks with what they are called with, for after the lock.
  using Answers = std::vector<std::pair<Ready, Result<ModelLease>>>;

  int64_t now_us() const { return config_.ports.now_us(); }

  // model_manager.cpp: requests. The lock must be held for those that end in _locked.
  void acquire_known(const KnownModel& model, Waiter waiter);
  std::optional<Result<ModelLease>> answer_locked(const KnownModel& model);
  void enqueue_locked(const KnownModel& model, Waiter waiter);
  ModelLease lease_locked(const ModelShelf::Shared& served, const std::string& name);
  SharedLoad find_load_locked(const std::string& file) const;
  void append_idle_status_locked(std::vector<ModelStatus>& out) const;
  uint64_t limit_bytes() const;

  // model_loading.cpp: the loader thread.
  void run_loads();
  void load_next(const SharedLoad& load);
  void report(const Load& load, const Outcome& outcome, int64_t start_us) const;
  void warn_beyond_training(const ServedModel& served) const;
  Outcome attempt(Load& load);
  Result<ModelShelf::Shared> load_in(Load& load, uint64_t kv_bytes);
  Result<uint64_t> make_room(Load& load, const MemoryNeed& need);
  Result<MemoryNeed> need_of(const FoundModel& found) const;
  Status wait_for_room(Load& load, FunctionRef<bool(uint64_t bytes_that_stay)> fits);
  std::string leaving_locked() const;
  Error no_room(const Load& load, const MemoryNeed& need, uint64_t limit) const;
  bool pause_before_retry(int64_t delay_ms);
  Answers conclude_locked(const SharedLoad& load, const Outcome& outcome);
  Answers answers_locked(Load& load, const Outcome& outcome);
  bool answer_from_shelf(const SharedLoad& load);
  static void give(Answers answers);
  void remember_failure_locked(const Load& load, const Error& error);

  // model_housekeeping.cpp: the housekeeper.
  void keep_house();
  void destroy(std::vector<ModelShelf::Shared> gone) const;
  void resolve(std::vector<Waiter> waiters);
  void sleep_until_next_expiry(std::unique_lock<std::mutex>& lock);

  const ModelManagerConfig config_;
  const Log log_;
  const ModelLoader loader_;
  ModelCatalogue catalogue_;

  mutable std::mutex mutex_;  // of all below
  std::condition_variable loader_wakes_;
  std::condition_variable housekeeper_wakes_;
  std::condition_variable room_made_;
  ModelShelf shelf_;
  std::deque<SharedLoad> loads_;             // the first one is being loaded
  std::map<std::string, Failure> failures_;  // by file
  std::vector<Waiter> unresolved_;           // of names not known yet
  uint32_t n_dying_ = 0;                     // models whose memory is being given back
  ModelCacheStats stats_;
  bool stopping_ = false;

  std::thread loader_thread_;
  std::thread housekeeper_;
};

}  // namespace quern
