// DRY: penalises the token that would continue a repetition of the recent text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.h"
#include "sampling/sampling_params.h"
#include "sampling/token_window.h"

namespace quern {

// Buffers of one step, shared by the sequences that one thread samples.
struct DryScratch {
  explicit DryScratch(size_t window) : recent(window), repeats(window) {}
  std::vector<TokenId> recent;    // newest first
  std::vector<uint32_t> repeats;  // length of the newest tokens' repetition that ends at each age
};

// For each age k >= 1: how many tokens from recent[k] on equal those from recent[0] on, so how long
// the newest tokens' repetition that ended k tokens ago is. Linear time (Z-algorithm, Gusfield
// 1997, section 1.4). repeats[0] is 0.
void find_repeats(std::span<const TokenId> recent, std::span<uint32_t> repeats);

// One request's DRY settings. Immutable after construction; any thread. Owns its breakers.
class DryPenalty {
 public:
  // params: validated. last_n: the window in tokens, 0 is off.
  DryPenalty(const SamplingParams& params, size_t last_n);

  bool active() const { return last_n_ > 0 && multiplier_ > 0.0F; }

  // A token that would extend a repetition of n >= allowed_length tokens loses multiplier *
  // base^(n - allowed_length), for the longest such n. Repetitions end at the newest breaker. Time
  // is linear in the window.
  void apply(const TokenWindow& window, DryScratch& scratch, PenaltyTarget target) const;

 private:
  // The number of newest tokens behind the newest breaker; all, when there is none.
  size_t tokens_since_breaker(std::span<const TokenId> recent) const;
  size_t longest_breaker_at(std::span<const TokenId> recent, size_t age) const;
  bool is_breaker(TokenId token) const;
  float penalty(uint32_t repeat) const;

  float multiplier_;
  float base_;
  uint32_t allowed_length_;
  size_t last_n_;
  uint32_t max_exponent_;                       // keeps base^n a finite float
  std::vector<std::vector<TokenId>> breakers_;  // in lexicographic order
};

}  // namespace quern
