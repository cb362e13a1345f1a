// ModelShelf: the loaded models, and which of them go when memory or time runs out: least recently
// used first, one with a lease only when that has ended. Bookkeeping only; time is passed in.
// Not thread-safe: the manager's lock guards it. Shares the models with their leases.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "engine/served_model.h"

namespace quern {

class ModelShelf {
 public:
  using Shared = std::shared_ptr<ServedModel>;

  // The model of this file; null when there is none, or it is on its way out.
  Shared find(std::string_view file) const;
  // There must be none of its file.
  void add(Shared model) { here_.push_back(std::move(model)); }

  static void begin_lease(ServedModel& model, int64_t now_us);
  static void end_lease(ServedModel& model, int64_t now_us);

  // Takes it off the shelf: new requests do not find it, and it goes with its last lease. False if
  // it is not there.
  bool retire(const ServedModel& model);
  // The same for all that have been idle for their keep_alive.
  void retire_expired(int64_t now_us);
  // When the next model's keep_alive ends; none while nothing would go.
  std::optional<int64_t> next_expiry_us() const;

  // Until `fits` accepts the bytes that stay, retires idle models and then marks leased ones as
  // leaving, least recently used first. If it never would, nothing changes, and none is returned;
  // else the number retired.
  std::optional<uint32_t> make_room(FunctionRef<bool(uint64_t bytes_that_stay)> fits);
  // No model is leaving any more.
  void let_stay();

  // Retired models without a lease, for their end outside the lock.
  std::vector<Shared> take_gone();
  bool has_gone() const;

  const std::vector<Shared>& models() const { return here_; }
  uint64_t n_bytes() const;         // of all, retired ones included
  uint64_t n_leased_bytes() const;  // of those that cannot go now

 private:
  std::vector<Shared> here_;
  std::vector<Shared> retired_;
};

// When an idle model's keep_alive ends; none for a leased one or one that stays.
std::optional<int64_t> expiry_us(const ModelUse& use);

}  // namespace quern
