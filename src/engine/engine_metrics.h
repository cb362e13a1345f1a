// EngineMetrics: counters and histograms of served requests, kept by the engine threads and read by
// the metrics page. Thread-safe without locks; one object for all models of a process. Owns nothing
// outside itself.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/finish_reason.h"

namespace quern {

// Counts of observations below fixed bounds, as Prometheus histograms have them.
class Histogram {
 public:
  static constexpr size_t kMaxBounds = 24;
  // At most kMaxBounds upper bounds, ascending.
  explicit Histogram(std::span<const double> bounds);
  void observe(double value);

  struct Snapshot {
    std::vector<double> bounds;
    std::vector<uint64_t> counts;  // [bounds + 1], not cumulative; the last is above all bounds
    double sum = 0.0;
    uint64_t count = 0;
  };
  Snapshot snapshot() const;

 private:
  std::array<double, kMaxBounds> bounds_{};
  size_t n_bounds_ = 0;
  std::array<std::atomic<uint64_t>, kMaxBounds + 1> counts_{};
  std::atomic<double> sum_{0.0};
};

enum class RejectReason : uint8_t {
  queue_full,
  queue_tokens_full,
  displaced,
  out_of_memory,
  loading,
  draining
};
inline constexpr size_t kNRejectReasons = 6;
inline constexpr size_t kNFinishReasons = 5;

struct EngineMetrics {
  EngineMetrics();

  std::atomic<uint64_t> n_prompt_tokens{0};  // of prompts, cached ones included
  std::atomic<uint64_t> n_generated_tokens{0};
  std::atomic<uint64_t> n_preemptions{0};
  std::atomic<uint64_t> n_cache_queries{0};  // tokens looked up
  std::atomic<uint64_t> n_cache_hits{0};     // tokens found
  std::atomic<uint64_t> n_steps{0};
  std::atomic<uint64_t> n_stuck_steps{0};
  std::atomic<uint64_t> n_failed_steps{0};
  std::atomic<uint64_t> n_unusable_logits{0};     // requests ended by NaN or +infinity
  std::atomic<uint64_t> n_failed_allocations{0};  // requests refused for want of memory
  std::atomic<uint64_t> n_integrity_failures{0};  // of KV pools
  std::array<std::atomic<uint64_t>, kNFinishReasons> n_finished{};  // by FinishReason
  std::array<std::atomic<uint64_t>, kNRejectReasons> n_rejected{};  // by RejectReason
  Histogram time_to_first_token_s;
  Histogram inter_token_latency_s;
  Histogram e2e_latency_s;
  Histogram queue_time_s;
  Histogram step_time_s;
};

}  // namespace quern
