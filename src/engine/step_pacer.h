// StepPacer: how many prompt tokens the next step may compute, so that those who wait for their
// next token never wait long. Learns what steps cost; durations are passed in, it has no clock. Not
// thread-safe: the engine thread owns it. Chunk sizes change when a token comes, never which.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace quern {

struct StepPacerConfig {
  int64_t step_target_us = 50'000;  // of a step in which somebody decodes
  uint32_t min_chunk = 16;          // one KV block: a prompt always advances
  uint32_t max_chunk = 512;         // what a batch holds
};

// What a step computed.
struct StepRows {
  uint32_t n_decode = 0;   // one row each of sequences that got a token
  uint32_t n_prefill = 0;  // rows of prompts
};

// What the next step could compute.
struct StepDemand {
  uint32_t n_decoding = 0;
  uint64_t n_urgent_tokens = 0;  // of prompts of the class high, before their first token
};

class StepPacer {
 public:
  explicit StepPacer(const StepPacerConfig& config) : config_(config) {}

  void observe(const StepRows& rows, int64_t duration_us);

  // Prompt tokens for the next step. Nobody decodes: all that fit. Else a step that takes the
  // target, but between 2 and 2.5 times what it would take without prompts: half of the time at
  // least goes to prompts, and no gap between two tokens triples. An urgent prompt may take more
  // (up to four times), and nothing less urgent makes its step longer.
  uint32_t chunk(const StepDemand& demand) const;

 private:
  // Steps of up to so many more sequences count as alike.
  static constexpr uint32_t kSeqsPerBucket = 4;
  static constexpr size_t kNBuckets = 64;

  static size_t bucket_of(uint32_t n_decode);
  double decode_us(uint32_t n_decode) const;
  double prefill_budget_us(const StepDemand& demand) const;
  void learn_decode(uint32_t n_decode, double us);
  void learn_mixed(const StepRows& rows, double us);

  StepPacerConfig config_;
  std::array<double, kNBuckets> decode_us_{};  // of a step without prompts; 0: not seen yet
  double prefill_us_ = 0.0;                    // of one prompt token; 0: not seen yet
  StepRows mixed_rows_;                        // the last step with both, and what it took
  double mixed_us_ = 0.0;
};

}  // namespace quern
