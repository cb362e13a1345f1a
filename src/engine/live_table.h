// LiveTable: the requests of one engine that have not ended, for lists and health pages. The engine
// thread writes it after each step; what costs time, order and sums, is left to those who read.
// Thread-safe. Owns copies only.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/live_request.h"
#include "scheduler/scheduler.h"

namespace quern {

class LiveTable {
 public:
  void add(LiveRequest request);
  // True if the request was never seen running; false also for one that is not here.
  bool remove(SeqId id);
  // After a step: these run, all others wait. Returns how many run for the first time.
  uint32_t update(std::span<const SequencePtr> running);

  // In the order in which they are served.
  std::vector<LiveRequest> list(int64_t now_us) const;

  struct Queue {
    uint32_t n_running = 0;
    uint32_t n_waiting = 0;
    uint64_t n_waiting_tokens = 0;
    int64_t oldest_us = 0;                                  // its age; 0 with nobody waiting
    std::vector<std::pair<int32_t, uint32_t>> by_priority;  // ascending
  };
  Queue queue(int64_t now_us) const;

 private:
  struct Entry {
    LiveRequest request;
    uint64_t seen = 0;  // the last update in which it ran; 0: none
  };
  std::vector<LiveRequest> copy() const;

  mutable std::mutex mutex_;
  uint64_t n_updates_ = 0;
  std::unordered_map<uint64_t, Entry> entries_;
};

}  // namespace quern
