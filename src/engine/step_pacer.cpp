#include "engine/step_pacer.h"

#include <algorithm>

namespace quern {
namespace {

// How far one step moves an estimate. Prompts grow dearer within one prompt (attention over a
// longer context), so their cost follows fast.
constexpr double kDecodeGain = 0.2;
constexpr double kPrefillGain = 0.3;
// A mixed step does not tell its two parts apart; the decode part has steps of its own to learn
// from.
constexpr double kMixedDecodeGain = 0.05;
// One step that was held up, by another program for instance, changes little.
constexpr double kMaxSurprise = 2.0;

// Shares of a step with prompts, as multiples of the same step without.
constexpr double kLeastPrefill = 1.0;
constexpr double kMostPrefill = 1.5;
constexpr double kUrgentPrefill = 3.0;

// Before anything is known of prompts.
constexpr double kUnknownChunk = 64.0;

double moved(double estimate, double sample, double gain) {
  if (estimate == 0.0) {
    return sample;
  }
  const double bounded = std::clamp(sample, estimate / kMaxSurprise, estimate * kMaxSurprise);
  return estimate + gain * (bounded - estimate);
}

}  // namespace

size_t StepPacer::bucket_of(uint32_t n_decode) {
  return std::min<size_t>((n_decode + kSeqsPerBucket - 1) / kSeqsPerBucket, kNBuckets - 1);
}

// Of the nearest number of sequences that was seen, the smaller one of two as near: a step that is
// thought short gets a short chunk.
double StepPacer::decode_us(uint32_t n_decode) const {
  const size_t wanted = bucket_of(n_decode);
  for (size_t distance = 0; distance < kNBuckets; ++distance) {
    if (distance <= wanted && decode_us_[wanted - distance] > 0.0) {
      return decode_us_[wanted - distance];
    }
    if (wanted + distance < kNBuckets && decode_us_[wanted + distance] > 0.0) {
      return decode_us_[wanted + distance];
    }
  }
  return 0.0;
}

void StepPacer::observe(const StepRows& rows, int64_t duration_us) {
  const auto us = static_cast<double>(std::max<int64_t>(duration_us, 1));
  if (rows.n_prefill == 0) {
    if (rows.n_decode > 0) {
      learn_decode(rows.n_decode, us);
    }
  } else if (rows.n_decode > 0) {
    learn_mixed(rows, us);
  } else if (rows.n_prefill >= config_.min_chunk) {
    // Of a few rows, most of the time is not theirs.
    prefill_us_ = moved(prefill_us_, us / rows.n_prefill, kPrefillGain);
  }
}

// What the last mixed step took beyond this one was its prompts' share.
void StepPacer::learn_decode(uint32_t n_decode, double us) {
  double& estimate = decode_us_[bucket_of(n_decode)];
  estimate = moved(estimate, us, kDecodeGain);
  if (mixed_rows_.n_prefill >= config_.min_chunk &&
      bucket_of(mixed_rows_.n_decode) == bucket_of(n_decode) && mixed_us_ > estimate) {
    prefill_us_ = moved(prefill_us_, (mixed_us_ - estimate) / mixed_rows_.n_prefill, kPrefillGain);
  }
}

void StepPacer::learn_mixed(const StepRows& rows, double us) {
  mixed_rows_ = rows;
  mixed_us_ = us;
  const double n_prefill = rows.n_prefill;
  double decode = decode_us(rows.n_decode);
  if (decode == 0.0) {
    decode = prefill_us_ == 0.0 ? us / 2 : std::max(us - prefill_us_ * n_prefill, us / 10);
  }
  if (prefill_us_ == 0.0) {
    prefill_us_ = std::max(us - decode, us / 10) / n_prefill;
  }
  const double ratio = us / (decode + prefill_us_ * n_prefill);
  decode_us_[bucket_of(rows.n_decode)] = moved(decode, decode * ratio, kMixedDecodeGain);
  prefill_us_ = moved(prefill_us_, prefill_us_ * ratio, kPrefillGain);
}

double StepPacer::prefill_budget_us(const StepDemand& demand) const {
  const auto target = static_cast<double>(config_.step_target_us);
  const double decode = decode_us(demand.n_decoding);
  if (demand.n_urgent_tokens > 0) {
    return std::max(target, kUrgentPrefill * decode);
  }
  return decode == 0.0 ? target / 2
                       : std::clamp(target - decode, kLeastPrefill * decode, kMostPrefill * decode);
}

uint32_t StepPacer::chunk(const StepDemand& demand) const {
  const double most = config_.max_chunk;
  double n_tokens = most;
  if (demand.n_decoding > 0) {
    n_tokens = prefill_us_ == 0.0 ? kUnknownChunk : prefill_budget_us(demand) / prefill_us_;
  }
  if (demand.n_urgent_tokens > 0) {
    n_tokens = std::min(n_tokens, static_cast<double>(demand.n_urgent_tokens));
  }
  const double least = std::min(config_.min_chunk, config_.max_chunk);
  return static_cast<uint32_t>(std::clamp(n_tokens, least, most));
}

}  // namespace quern
