// DrainRate: how fast the queue empties, over the last seconds, and what that means for who was
// turned away. Time is passed in. Not thread-safe. Owns a few numbers.
#pragma once

#include <array>
#include <cstdint>

namespace quern {

class DrainRate {
 public:
  static constexpr int64_t kWindowS = 10;
  static constexpr uint32_t kMostRetryS = 60;

  // A request left the queue: it started, or it ended there.
  void add_drained(int64_t now_us, uint32_t n_requests);
  // A request was turned away.
  void add_refused(int64_t now_us);

  // Requests a second.
  double drained_per_s(int64_t now_us) const;
  // Seconds until a place in a queue of n_waiting is likely to be free for the next one that was
  // turned away: behind the others that were, but never so late that the queue runs dry meanwhile.
  // From 1 to kMostRetryS.
  uint32_t retry_after_s(int64_t now_us, uint32_t n_waiting) const;

 private:
  struct Second {
    int64_t index = -1;  // since the clock's zero
    uint64_t n_drained = 0;
    uint64_t n_refused = 0;
  };
  Second& second_at(int64_t now_us);
  // Of the window that ends now.
  struct Totals {
    uint64_t n_drained = 0;
    uint64_t n_refused = 0;
  };
  Totals totals(int64_t now_us) const;

  std::array<Second, kWindowS> ring_{};
  int64_t first_us_ = -1;  // when the first request left; -1: none has
};

}  // namespace quern
