// EngineThread: one model's Engine on a thread of its own: requests go in, their events come out.
// Thread-safe: any thread submits, cancels and asks for numbers. Request callbacks run on the
// engine thread, inside a step: they must be quick, must not block, and may call cancel() but not
// submit(). Owns the engine; borrows the loaded model and the metrics, which must outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "engine/engine.h"
#include "engine/engine_metrics.h"
#include "engine/live_request.h"
#include "engine/loaded_model.h"
#include "engine/request.h"

namespace quern {

// What health and metrics pages show of one engine, as of the last step.
struct EngineSnapshot {
  EngineStats stats;
  uint32_t n_running = 0;
  uint32_t n_waiting = 0;
  uint64_t n_waiting_tokens = 0;
  int64_t oldest_waiting_us = 0;                                  // its age; 0 with an empty queue
  std::vector<std::pair<int32_t, uint32_t>> waiting_by_priority;  // ascending
  uint64_t kv_bytes = 0;                                          // of blocks ever used
  uint64_t kv_pool_bytes = 0;                                     // of all blocks
  uint64_t weights_bytes = 0;
  uint64_t activations_bytes = 0;
};

struct EngineThreadConfig {
  EngineConfig engine;
  // The prefill chunk adapts so that a step with decoding sequences takes about so long.
  uint32_t step_target_ms = 50;
  // A step older than this is stuck: is_stuck() says so, the log too.
  uint32_t stuck_after_ms = 10'000;
};

class EngineThread {
 public:
  // NOLINTNEXTLINE(readability-function-size): what runs, how, and the two that it tells of it.
  static Result<std::unique_ptr<EngineThread>> start(LoadedModel& loaded,
                                                     const EngineThreadConfig& config,
                                                     EngineMetrics& metrics, const Log& log);
  // Ends what runs with FinishReason::cancelled and joins.
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  uint32_t max_context() const;
  // What the queue takes while it is empty: so many requests, of so many tokens (but for a single
  // one, which may have more).
  struct QueueLimits {
    uint32_t n_requests = 0;
    uint64_t n_tokens = 0;
  };
  QueueLimits queue_limits() const;

  // Checks what needs no queue (the prompt against the context, ids, parameters) in the caller's
  // thread and hands the request over. Everything later comes as events, the last with `finish`;
  // a full queue is finish error with cause queue_full or displaced.
  Result<SeqId> submit(Request request);
  // Its last event has FinishReason::cancelled, unless it ended before. Takes effect between steps.
  void cancel(SeqId id);

  // In the order in which they are served.
  std::vector<LiveRequest> live() const;
  EngineSnapshot snapshot() const;
  // Of the step that is being computed; 0 between steps.
  int64_t step_age_ms() const;
  bool is_stuck() const;
  // Seconds until a place in the queue is likely to be free, from the measured drain rate; at
  // least 1.
  uint32_t retry_after_s() const;

 private:
  class Impl;
  explicit EngineThread(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern
