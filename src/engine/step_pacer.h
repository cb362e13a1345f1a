// StepPacer: how many prompt tokens the next step may compute, so that those who wait for their
// next token never wait long. Learns what steps cost; durations are passed in, it has no clock. Not
// thread-safe: the engine thread owns it. Chunk sizes change when a token comes, never which.
#pragma once

#include <cstdint>

#include "engine/step_cost.h"

namespace quern {

struct StepPacerConfig {
  int64_t step_target_us = 50'000;  // of a step in which somebody decodes
  uint32_t min_chunk = 16;          // one KV block: a prompt always advances
  uint32_t max_chunk = 512;         // what a batch holds
};

// What the next step could compute.
struct StepDemand {
  uint32_t n_decoding = 0;
  uint64_t n_urgent_tokens = 0;  // of prompts of the class high, before their first token
};

class StepPacer {
 public:
  explicit StepPacer(const StepPacerConfig& config) : config_(config) {}

  void observe(const StepRows& rows, int64_t duration_us) { cost_.observe(rows, duration_us); }

  // Prompt tokens for the next step. Nobody decodes: all that fit. Else a step that takes the
  // target, but between 2 and 2.5 times what it would take without prompts: half of the time at
  // least goes to prompts, and no gap between two tokens triples. An urgent prompt may take more
  // (up to four times), and nothing less urgent makes its step longer.
  uint32_t chunk(const StepDemand& demand) const;

 private:
  double prefill_budget_us(const StepDemand& demand) const;

  StepPacerConfig config_;
  StepCost cost_;
};

}  // namespace quern
