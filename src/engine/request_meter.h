// RequestMeter: one request's share of the metrics, told by its events. Not thread-safe: events
// come from one thread. Borrows the metrics.
#pragma once

#include <cstdint>

#include "engine/engine_metrics.h"
#include "engine/request.h"

namespace quern {

class RequestMeter {
 public:
  struct Arrival {
    int64_t time_us = 0;
    uint32_t n_prompt = 0;
  };
  RequestMeter(EngineMetrics& metrics, const Arrival& arrival)
      : metrics_(&metrics), arrival_(arrival) {}

  void observe(const TokenEvent& event, int64_t now_us);

 private:
  void count_token(int64_t now_us);
  void count_end(const TokenEvent& event);

  EngineMetrics* metrics_;
  Arrival arrival_;
  int64_t last_token_us_ = kNever;
};

// Whether the full queue did not take the request, or gave it up: it was rejected, it did not fail.
std::optional<RejectReason> reject_reason(const TokenEvent& event);

}  // namespace quern
