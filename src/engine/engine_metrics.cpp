#include "engine/engine_metrics.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace quern {
namespace {

// From a warm prefix on a fast machine to a full queue on a slow one.
constexpr std::array kFirstTokenBounds = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08,
                                          0.1,   0.25,  0.5,  0.75, 1.0,  2.5,  5.0,
                                          7.5,   10.0,  20.0, 40.0, 80.0, 160.0};
constexpr std::array kInterTokenBounds = {0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03,
                                          0.04,  0.05,   0.075, 0.1,  0.15,  0.2,  0.3,
                                          0.4,   0.5,    0.75,  1.0,  2.5,   5.0,  10.0};
constexpr std::array kRequestBounds = {0.05, 0.1,  0.3,  0.5,   0.8,   1.0,   1.5,
                                       2.0,  2.5,  5.0,  10.0,  15.0,  20.0,  30.0,
                                       40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0};
constexpr std::array kQueueBounds = {0.001, 0.005, 0.01, 0.025, 0.05, 0.1,  0.25,  0.5,
                                     1.0,   2.5,   5.0,  10.0,  30.0, 60.0, 120.0, 300.0};
constexpr std::array kStepBounds = {0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075,
                                    0.1,   0.15,   0.2,   0.3,  0.5,  0.75, 1.0,  2.5,  10.0};

}  // namespace

Histogram::Histogram(std::span<const double> bounds) : n_bounds_(bounds.size()) {
  QUERN_CHECK(bounds.size() <= kMaxBounds && std::ranges::is_sorted(bounds));
  std::ranges::copy(bounds, bounds_.begin());
}

void Histogram::observe(double value) {
  if (std::isnan(value)) {
    return;
  }
  // A bound belongs to the bucket below it, as Prometheus' "le" says.
  const auto end = bounds_.begin() + static_cast<std::ptrdiff_t>(n_bounds_);
  const auto bucket =
      static_cast<size_t>(std::lower_bound(bounds_.begin(), end, value) - bounds_.begin());
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

Histogram::Snapshot Histogram::snapshot() const {
  Snapshot snapshot;
  snapshot.bounds.assign(bounds_.begin(), bounds_.begin() + static_cast<std::ptrdiff_t>(n_bounds_));
  snapshot.counts.reserve(n_bounds_ + 1);
  for (size_t i = 0; i <= n_bounds_; ++i) {
    snapshot.counts.push_back(counts_[i].load(std::memory_order_relaxed));
    snapshot.count += snapshot.counts.back();
  }
  snapshot.sum = sum_.load(std::memory_order_relaxed);
  return snapshot;
}

EngineMetrics::EngineMetrics()
    : time_to_first_token_s(kFirstTokenBounds),
      inter_token_latency_s(kInterTokenBounds),
      e2e_latency_s(kRequestBounds),
      queue_time_s(kQueueBounds),
      step_time_s(kStepBounds) {}

}  // namespace quern
