// StepWatch: since when the current step runs, so that anyone can see an engine that is stuck. Time
// is passed in. Thread-safe without locks: one thread steps, any thread looks.
#pragma once

#include <atomic>
#include <cstdint>

namespace quern {

class StepWatch {
 public:
  explicit StepWatch(int64_t stuck_after_us) : stuck_after_us_(stuck_after_us) {}

  void begin(int64_t now_us) { start_us_.store(now_us, std::memory_order_release); }
  void end() { start_us_.store(kIdle, std::memory_order_release); }

  // Of the step that is being computed; 0 between steps.
  int64_t age_us(int64_t now_us) const {
    const int64_t start_us = start_us_.load(std::memory_order_acquire);
    return start_us == kIdle || now_us < start_us ? 0 : now_us - start_us;
  }
  bool is_stuck(int64_t now_us) const { return age_us(now_us) > stuck_after_us_; }

  // True for one caller for each stuck step: the one that tells the log. Asked by those who look,
  // and at the step's end for want of any.
  bool claim_report(int64_t now_us) {
    const int64_t start_us = start_us_.load(std::memory_order_acquire);
    if (start_us == kIdle || now_us - start_us <= stuck_after_us_) {
      return false;
    }
    int64_t reported = reported_us_.load(std::memory_order_acquire);
    return reported != start_us && reported_us_.compare_exchange_strong(reported, start_us);
  }

 private:
  static constexpr int64_t kIdle = -1;

  const int64_t stuck_after_us_;
  std::atomic<int64_t> start_us_{kIdle};
  std::atomic<int64_t> reported_us_{kIdle};  // the start of the last step that was reported
};

}  // namespace quern
