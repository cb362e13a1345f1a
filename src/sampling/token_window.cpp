#include "sampling/token_window.h"

#include <algorithm>

namespace quern {

void TokenWindow::push(TokenId token) {
  if (tokens_.empty()) {
    return;
  }
  tokens_[next_] = token;
  next_ = next_ + 1 == tokens_.size() ? 0 : next_ + 1;
  n_tokens_ = std::min(n_tokens_ + 1, tokens_.size());
}

void apply_repeat_penalties(const RepeatPenalties& penalties, const TokenWindow& window,
                            PenaltyTarget target) {
  const size_t n = std::min(penalties.last_n, window.size());
  for (size_t age = 0; age < n; ++age) {
    ++target.counts[static_cast<size_t>(value(window.recent(age)))];
  }
  for (size_t age = 0; age < n; ++age) {
    const auto token = static_cast<size_t>(value(window.recent(age)));
    const uint32_t count = target.counts[token];
    if (count == 0) {
      continue;  // a newer occurrence was handled
    }
    target.counts[token] = 0;
    float& logit = target.logits[token];
    logit = logit > 0.0F ? logit / penalties.repetition : logit * penalties.repetition;
    logit -= static_cast<float>(count) * penalties.frequency + penalties.presence;
  }
}

}  // namespace quern
