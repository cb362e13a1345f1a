// FakeModel: a language model small enough to check every KV position of every step. Its KV entry
// at a position is a hash of all tokens up to there, computed from the entry before it in the block
// table, and the next token follows from the last entry. So a block that is lost, reused too early
// or shared wrongly shows at once, and each answer can be compared with a lone run that has no
// blocks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "scheduler/scheduler.h"

namespace quern {

class FakeModel {
 public:
  static constexpr int32_t kVocab = 50;
  static constexpr TokenId kEnd{0};

  explicit FakeModel(uint32_t n_blocks) : kv_(size_t{n_blocks} * kKvBlockTokens) {}

  static uint64_t mix(uint64_t state, TokenId token) {
    // splitmix64's finaliser (Steele, Lea, Flood 2014).
    uint64_t z = state + 0x9e3779b97f4a7c15U * (static_cast<uint64_t>(value(token)) + 1);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }
  // A salt starts a history of its own, so a block shared across salts reads as a wrong one.
  static uint64_t start(const std::string& salt) {
    return salt.empty() ? 1 : mix(2, TokenId{salt[0]});
  }
  static TokenId next_token(uint64_t state) {
    return TokenId{static_cast<int32_t>(state % kVocab)};
  }

  // The tokens of a lone run: until the end token, max_tokens or the context.
  static std::vector<TokenId> lone_run(const Sequence& sequence) {
    std::vector<TokenId> tokens(sequence.tokens.begin(),
                                sequence.tokens.begin() + sequence.n_prompt);
    uint64_t state = start(sequence.cache_salt);
    for (const TokenId token : tokens) {
      state = mix(state, token);
    }
    while (tokens.size() - sequence.n_prompt < sequence.max_tokens &&
           tokens.size() < sequence.max_context) {
      tokens.push_back(next_token(state));
      if (tokens.back() == kEnd) {
        break;
      }
      state = mix(state, tokens.back());
    }
    return tokens;
  }

  // Computes one sequence's rows. Returns the state after the last, and false in `intact` if a
  // position before them does not hold what the sequence's tokens say.
  struct Rows {
    uint64_t state = 0;
    bool intact = true;
  };
  Rows forward(const Batch& batch, const BatchSequence& rows, const Sequence& sequence) {
    const std::span<const BlockId> table =
        std::span(batch.blocks).subspan(rows.first_block, rows.n_blocks);
    Rows result{.state = start(sequence.cache_salt)};
    for (uint32_t position = 0; position < rows.position; ++position) {
      result.state = mix(result.state, sequence.tokens[position]);
      result.intact = result.intact && at(table, position) == result.state;
    }
    for (uint32_t i = 0; i < rows.n_rows; ++i) {
      result.state = mix(result.state, batch.tokens[rows.first_row + i]);
      at(table, rows.position + i) = result.state;
    }
    return result;
  }

 private:
  uint64_t& at(std::span<const BlockId> table, uint32_t position) {
    const auto block = static_cast<size_t>(value(table[position / kKvBlockTokens]));
    return kv_[block * kKvBlockTokens + position % kKvBlockTokens];
  }

  std::vector<uint64_t> kv_;
};

}  // namespace quern
