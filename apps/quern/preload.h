// Preload: the models named on the command line are loaded while the server already answers.
// Thread-safe. Shared with the model manager's callbacks, which may come after the server's end.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "engine/model_manager.h"

namespace quern::app {

class Preload : public std::enable_shared_from_this<Preload> {
 public:
  explicit Preload(const Log& log) : log_(log) {}

  // The names that the models are served by. Errors: a file or name that is not there,
  // a file that is broken or can never fit.
  static Result<std::vector<std::string>> names(const std::vector<std::string>& models,
                                                ModelManager& manager);
  // Loads them; they are kept until the end. `on_failure` is called once, from any thread.
  void start(const std::vector<std::string>& names, ModelManager& manager,
             std::function<void()> on_failure);
  // From now on nothing is called any more.
  void end();

  const std::atomic<bool>& is_loading() const { return is_loading_; }
  std::optional<Error> failure() const;

 private:
  void finish(const Result<ModelLease>& lease);

  const Log log_;
  std::atomic<bool> is_loading_{false};
  mutable std::mutex mutex_;  // of all below
  size_t n_pending_ = 0;
  std::function<void()> on_failure_;
  std::optional<Error> failure_;
};

}  // namespace quern::app
