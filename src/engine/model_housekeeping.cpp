// The manager's housekeeper: gives back what was idle for long enough or had to go, and looks for
// names on the disk, so that no request's thread waits for either.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/model_manager_impl.h"

namespace quern {

void ModelManager::Impl::keep_house() {
  std::unique_lock lock(mutex_);
  while (true) {
    shelf_.retire_expired(now_us());
    std::vector<ModelShelf::Shared> gone = shelf_.take_gone();
    std::vector<Waiter> waiters = std::exchange(unresolved_, {});
    if (!gone.empty() || !waiters.empty()) {
      n_dying_ = static_cast<uint32_t>(gone.size());
      lock.unlock();
      destroy(std::move(gone));
      resolve(std::move(waiters));
      lock.lock();
      n_dying_ = 0;
      room_made_.notify_all();
    } else if (stopping_) {
      return;
    } else {
      sleep_until_next_expiry(lock);
    }
  }
}

void ModelManager::Impl::destroy(std::vector<ModelShelf::Shared> gone) const {
  for (ModelShelf::Shared& model : gone) {
    const std::string name = model->name;
    model.reset();
    log_.info(fmt::format("model '{}' unloaded", name));
  }
}

void ModelManager::Impl::resolve(std::vector<Waiter> waiters) {
  if (waiters.empty()) {
    return;
  }
  catalogue_.refresh(now_us());
  for (Waiter& waiter : waiters) {
    if (const std::optional<KnownModel> model = catalogue_.find(waiter.name)) {
      acquire_known(*model, std::move(waiter));
    } else {
      waiter.ready(fail(catalogue_.unknown(waiter.name)));
    }
  }
}

void ModelManager::Impl::sleep_until_next_expiry(std::unique_lock<std::mutex>& lock) {
  const std::optional<int64_t> expiry_us = shelf_.next_expiry_us();
  if (!expiry_us) {
    housekeeper_wakes_.wait(lock);
    return;
  }
  // Long sleeps are cut, so that a clock's largest numbers do not overflow.
  constexpr int64_t kMostUs = int64_t{3600} * 1'000'000;
  const int64_t wait_us = std::clamp(*expiry_us - now_us(), int64_t{0}, kMostUs);
  housekeeper_wakes_.wait_for(lock, std::chrono::microseconds(wait_us));
}

}  // namespace quern
