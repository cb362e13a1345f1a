#include "preload.h"

#include <filesystem>
#include <system_error>
#include <utility>

namespace quern::app {

Result<std::vector<std::string>> Preload::names(const std::vector<std::string>& models,
                                                ModelManager& manager) {
  std::vector<std::string> names;
  for (const std::string& model : models) {
    std::error_code ignored;
    // A name may have a slash too; a file that is there comes first.
    const bool is_path = std::filesystem::exists(model, ignored) || model.starts_with('/');
    QUERN_ASSIGN(std::string name, is_path ? manager.add_file(model) : manager.add_name(model));
    QUERN_TRY(manager.examine(name));
    names.push_back(std::move(name));
  }
  return names;
}

void Preload::start(const std::vector<std::string>& names, ModelManager& manager,
                    std::function<void()> on_failure) {
  {
    const std::lock_guard lock(mutex_);
    n_pending_ = names.size();
    on_failure_ = std::move(on_failure);
  }
  is_loading_.store(!names.empty());
  for (const std::string& name : names) {
    manager.acquire(name, [self = shared_from_this(), &manager](const Result<ModelLease>& lease) {
      if (lease) {
        manager.set_keep_alive(lease->name(), kKeepForever);
      }
      self->finish(lease);
    });
  }
}

void Preload::finish(const Result<ModelLease>& lease) {
  const std::lock_guard lock(mutex_);
  --n_pending_;
  if (!lease) {
    if (!failure_ && on_failure_) {
      failure_ = lease.error();
      on_failure_();
    }
    return;
  }
  if (n_pending_ == 0 && !failure_) {
    is_loading_.store(false);
    log_.info("ready");
  }
}

void Preload::end() {
  const std::lock_guard lock(mutex_);
  on_failure_ = nullptr;
}

std::optional<Error> Preload::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace quern::app
