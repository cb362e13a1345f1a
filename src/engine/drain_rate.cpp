#include "engine/drain_rate.h"

#include <algorithm>
#include <cmath>

namespace quern {
namespace {

constexpr int64_t kMicrosPerSecond = 1'000'000;

}  // namespace

DrainRate::Second& DrainRate::second_at(int64_t now_us) {
  const int64_t index = now_us / kMicrosPerSecond;
  Second& second = ring_[static_cast<size_t>(index % kWindowS)];
  if (second.index != index) {
    second = {.index = index};
  }
  return second;
}

void DrainRate::add_drained(int64_t now_us, uint32_t n_requests) {
  if (first_us_ < 0) {
    first_us_ = now_us;
  }
  second_at(now_us).n_drained += n_requests;
}

void DrainRate::add_refused(int64_t now_us) {
  ++second_at(now_us).n_refused;
}

DrainRate::Totals DrainRate::totals(int64_t now_us) const {
  const int64_t index = now_us / kMicrosPerSecond;
  Totals sum;
  for (const Second& second : ring_) {
    if (second.index >= 0 && index - second.index < kWindowS) {
      sum.n_drained += second.n_drained;
      sum.n_refused += second.n_refused;
    }
  }
  return sum;
}

double DrainRate::drained_per_s(int64_t now_us) const {
  if (first_us_ < 0) {
    return 0.0;
  }
  // The window holds nine whole seconds and what has passed of the tenth.
  const int64_t window_us = (kWindowS - 1) * kMicrosPerSecond + now_us % kMicrosPerSecond;
  const int64_t span_us = std::max(std::min(now_us - first_us_, window_us), kMicrosPerSecond);
  return static_cast<double>(totals(now_us).n_drained) * kMicrosPerSecond /
         static_cast<double>(span_us);
}

uint32_t DrainRate::retry_after_s(int64_t now_us, uint32_t n_waiting) const {
  const double n_before = static_cast<double>(totals(now_us).n_refused) + 1.0;
  const double half_queue = std::max(1.0, n_waiting / 2.0);
  const double rate = drained_per_s(now_us);
  if (rate <= 0.0) {
    return n_waiting == 0 ? 1 : kMostRetryS;
  }
  const double seconds = std::ceil(std::min(n_before, half_queue) / rate);
  return static_cast<uint32_t>(std::clamp(seconds, 1.0, double{kMostRetryS}));
}

}  // namespace quern
