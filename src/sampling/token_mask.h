// Which tokens of a vocabulary may be drawn, one bit each, as grammars produce it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/ids.h"

namespace quern {

// A bit per token: 1 may be drawn, 0 may not. Not synchronised: one writer, or many readers.
// Owns its bits.
class GrammarMask {
 public:
  static constexpr size_t kWordBits = 64;

  // Every token starts allowed, or none.
  explicit GrammarMask(uint32_t vocab_size, bool allowed = true)
      : vocab_size_(vocab_size),
        words_((vocab_size + kWordBits - 1) / kWordBits, allowed ? ~uint64_t{0} : 0) {}

  uint32_t vocab_size() const { return vocab_size_; }

  void allow(TokenId token) { words_[word_of(token)] |= bit_of(token); }
  void forbid(TokenId token) { words_[word_of(token)] &= ~bit_of(token); }
  bool allowed(TokenId token) const { return (words_[word_of(token)] & bit_of(token)) != 0; }

  // Sets the logit of every forbidden token to -infinity. logits: [vocab_size].
  void apply(std::span<float> logits) const;

 private:
  size_t word_of(TokenId token) const {
    QUERN_CHECK(value(token) >= 0 && static_cast<uint32_t>(value(token)) < vocab_size_);
    return static_cast<size_t>(value(token)) / kWordBits;
  }
  static uint64_t bit_of(TokenId token) {
    return uint64_t{1} << (static_cast<uint32_t>(value(token)) % kWordBits);
  }

  uint32_t vocab_size_;
  std::vector<uint64_t> words_;
};

}  // namespace quern
