// FailPoints: places in the code where a fault can be ordered, so that what follows from it can be
// tested. Thread-safe. There is no global one: whoever wants faults makes one and passes it down,
// and it must outlive what it is passed to; null means none. A place costs one relaxed load of an
// atomic while it is not armed.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace quern {

enum class FailPoint : uint8_t {
  allocation,     // memory for a weight or a request is refused
  mmap,           // the system refuses to map a file
  read,           // a mapped file cannot be read to its end, or changes meanwhile
  kernel_result,  // the device reports an error instead of a step's result
  nan_logits,     // the logits that a token is drawn from are NaN
  stuck_step,     // a step does not come back
};
inline constexpr size_t kFailPointCount = 6;

// "allocation", "mmap", "read", "kernel_result", "nan_logits", "stuck_step"
std::string_view name(FailPoint point);
std::optional<FailPoint> fail_point_named(std::string_view name);

// Which hits of a point fire: the first `after` do not, the `times` that follow do.
struct FailPlan {
  static constexpr uint64_t kAlways = std::numeric_limits<uint64_t>::max();
  uint64_t after = 0;
  uint64_t times = 1;  // at least 1
};

// Since the object was made; hits count only while the point is armed.
struct FailCounts {
  uint64_t n_hits = 0;
  uint64_t n_fired = 0;
};

class FailPoints {
 public:
  FailPoints() = default;
  FailPoints(const FailPoints&) = delete;
  FailPoints& operator=(const FailPoints&) = delete;

  // Replaces the point's earlier plan. A point whose plan is used up is not armed any more.
  void arm(FailPoint point, const FailPlan& plan);
  // Arms from a text such as "nan_logits:after=3,times=1;mmap;read:times=always". An error arms
  // nothing; an empty text is fine and arms nothing either.
  Status arm_from(std::string_view text);
  void disarm(FailPoint point);

  // Whether the fault happens at this hit.
  bool hit(FailPoint point) {
    return (armed_.load(std::memory_order_relaxed) & bit(point)) != 0 && fires(point);
  }
  // A hit that, when it fires, waits for release(). The object must not go before it returned.
  void block(FailPoint point);
  // Waits until some thread waits in block(point).
  void wait_until_blocked(FailPoint point);
  // Disarms the point and lets go whoever waits there.
  void release(FailPoint point);

  FailCounts counts(FailPoint point) const;

 private:
  struct State {
    FailPlan plan{.after = 0, .times = 0};  // what is left of it
    FailCounts counts;
    uint32_t n_blocked = 0;
    uint64_t n_releases = 0;
  };

  static constexpr uint32_t bit(FailPoint point) { return 1U << static_cast<unsigned>(point); }
  State& state(FailPoint point) { return states_[static_cast<size_t>(point)]; }
  bool fires(FailPoint point);
  bool fires_locked(FailPoint point);
  void disarm_locked(FailPoint point);

  std::atomic<uint32_t> armed_{0};  // one bit a point
  mutable std::mutex mutex_;        // of all below
  std::condition_variable changed_;
  std::array<State, kFailPointCount> states_;
};

// The same for places that may have no fail points.
inline bool fails_at(FailPoints* points, FailPoint point) {
  return points != nullptr && points->hit(point);
}
inline void block_at(FailPoints* points, FailPoint point) {
  if (points != nullptr) {
    points->block(point);
  }
}

}  // namespace quern
