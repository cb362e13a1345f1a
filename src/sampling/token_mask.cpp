#include "sampling/token_mask.h"

#include <algorithm>
#include <limits>

namespace quern {
namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

}  // namespace

void GrammarMask::apply(std::span<float> logits) const {
  QUERN_CHECK(logits.size() == vocab_size_);
  for (size_t w = 0; w < words_.size(); ++w) {
    const uint64_t word = words_[w];
    if (word == ~uint64_t{0}) {
      continue;
    }
    const size_t first = w * kWordBits;
    const size_t n = std::min(kWordBits, logits.size() - first);
    for (size_t i = 0; i < n; ++i) {
      logits[first + i] = (word >> i & 1U) != 0 ? logits[first + i] : kForbidden;
    }
  }
}

}  // namespace quern
