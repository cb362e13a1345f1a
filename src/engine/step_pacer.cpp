#include "engine/step_pacer.h"

#include <algorithm>
#include <cmath>

namespace quern {
namespace {

// Prompts' part of a step, as a multiple of the same step without prompts.
constexpr double kLeastPrefill = 1.0;
constexpr double kMostPrefill = 1.5;
constexpr double kUrgentPrefill = 3.0;

// Before anything is known.
constexpr double kUnknownChunk = 64.0;

}  // namespace

double StepPacer::prefill_budget_us(const StepDemand& demand) const {
  const auto target = static_cast<double>(config_.step_target_us);
  const double decode = cost_.decode_us(demand.n_decoding);
  if (demand.n_urgent_tokens > 0) {
    return std::max(target, kUrgentPrefill * decode);
  }
  return std::clamp(target - decode, kLeastPrefill * decode, kMostPrefill * decode);
}

uint32_t StepPacer::chunk(const StepDemand& demand) const {
  const double least = std::min(config_.min_chunk, config_.max_chunk);
  const double most = config_.max_chunk;
  double n_tokens = most;
  if (demand.n_decoding > 0) {
    const double row_us = cost_.prefill_row_us();
    n_tokens = kUnknownChunk;
    if (cost_.known()) {
      n_tokens = row_us > 0.0 ? prefill_budget_us(demand) / row_us : most;
    }
    // The scheduler cuts a prompt at the end of a block; just short of one would lose it whole.
    n_tokens = least * std::round(n_tokens / least);
  }
  if (demand.n_urgent_tokens > 0) {
    n_tokens = std::min(n_tokens, static_cast<double>(demand.n_urgent_tokens));
  }
  return static_cast<uint32_t>(std::clamp(n_tokens, least, most));
}

}  // namespace quern
