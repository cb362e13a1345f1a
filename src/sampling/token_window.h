// The last accepted tokens of a sequence, and the penalties on repeating them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.h"

namespace quern {

// A ring of fixed capacity: push() allocates nothing, the oldest token falls out.
// Not synchronised: one per sequence. Owns its tokens.
class TokenWindow {
 public:
  explicit TokenWindow(size_t capacity) : tokens_(capacity) {}

  void push(TokenId token);
  size_t size() const { return n_tokens_; }
  size_t capacity() const { return tokens_.size(); }
  // 0 is the newest; age < size().
  TokenId recent(size_t age) const {
    return tokens_[next_ > age ? next_ - 1 - age : next_ + tokens_.size() - 1 - age];
  }

 private:
  std::vector<TokenId> tokens_;
  size_t next_ = 0;  // where the next token goes
  size_t n_tokens_ = 0;
};

struct RepeatPenalties {
  float repetition = 1.0F;
  float frequency = 0.0F;
  float presence = 0.0F;
  size_t last_n = 0;

  bool active() const {
    return last_n > 0 && (repetition != 1.0F || frequency != 0.0F || presence != 0.0F);
  }
};

// What a penalty writes to. counts: [vocab_size], all 0, and all 0 again afterwards.
struct PenaltyTarget {
  std::span<float> logits;
  std::span<uint32_t> counts;
};

// Penalises each token among the last_n newest once, by its count there: a positive logit is
// divided by `repetition`, others are multiplied; then count * frequency + presence is subtracted.
void apply_repeat_penalties(const RepeatPenalties& penalties, const TokenWindow& window,
                            PenaltyTarget target);

}  // namespace quern
