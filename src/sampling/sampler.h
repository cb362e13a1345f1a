// From logits to a token: the sampling chain of one sequence.
//
// The order of the chain, for logits l over the vocabulary:
//   1. logit_bias is added; the grammar's mask, banned_tokens, and end tokens (under ignore_eos, or
//      before min_tokens) become -infinity
//   2. repetition, frequency and presence penalties over the last penalty_last_n accepted tokens
//   3. DRY over the last dry_penalty_last_n accepted tokens
//   4. temperature 0: the highest logit wins, and nothing below applies
//   5. top_n_sigma: l >= max - n * stddev, the population's over all l above -infinity
//   6. top_k: the k highest
//   7. typical_p: nearest to the expected surprise first, until their mass exceeds p
//   8. top_p: most likely first, until their mass reaches p
//   9. min_p: p(token) >= min_p * p(best)
//  10. XTC: with xtc_probability, of the tokens at or above xtc_threshold only the least likely
//  stays
//  11. temperature (dynamic: from the entropy of what is left over ln of how many are left)
//  12. one draw from the softmax of what is left
// Each step normalises over what the steps before left. With mirostat, 5 to 11 are replaced by:
// temperature, then tokens with a surprise above mu go, then the draw; mu, at first 2 * tau, moves
// by -eta * (surprise of the drawn token among those left - tau) when that token is accepted.
//
// Determinism: the token depends on the logits, the accepted tokens, and (seed, choice index, token
// index) alone. XTC's coin and the draw use lanes of their own, so one does not shift the other.
// Ties go to the lower token id. Logprobs are those of the softmax over the logits as given, before
// any step of the chain (as OpenAI and vLLM report them).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "sampling/candidates.h"
#include "sampling/dry.h"
#include "sampling/sampling_params.h"
#include "sampling/token_mask.h"
#include "sampling/token_window.h"

namespace quern {

struct TokenLogprob {
  TokenId token = kNoToken;
  float logprob = 0.0F;  // natural logarithm
};

struct SampleResult {
  TokenId token = kNoToken;
  std::optional<float> logprob;  // when n_logprobs >= 0
  // The n_logprobs most likely tokens, best first. Lives in the scratch until its next use.
  std::span<const TokenLogprob> top_logprobs;
};

// The vocabulary-sized buffers of a step (about 30 bytes a token), so that a sequence itself is
// small. Not synchronised: one per sampling thread, for any number of samplers. A step allocates
// nothing.
class SamplerScratch {
 public:
  // context_length: the longest window that a sampler used with it may have.
  SamplerScratch(uint32_t vocab_size, uint32_t context_length);

 private:
  friend class Sampler;
  std::vector<float> logits_;
  std::vector<uint32_t> counts_;  // all 0 between uses
  Candidates candidates_;
  DryScratch dry_;
  std::vector<TokenLogprob> top_;
};

struct SamplerConfig {
  uint32_t vocab_size = 0;
  uint32_t context_length = 0;  // what a window of -1 means, and the most that one can hold
  uint32_t choice_index = 0;    // which of a request's n answers
};

struct SampleInput {
  std::span<const float> logits;      // [vocab_size], of the sequence's last token
  uint64_t token_index = 0;           // how many tokens of this answer came before
  const GrammarMask* mask = nullptr;  // borrowed for the call; none: all tokens may be drawn
};

// One per sequence. Not synchronised. Owns its settings and its window of accepted tokens.
//
// Preemption needs no snapshot: sample() changes no state that a later draw reads, so a draw may be
// thrown away with its step. Only what accept() is given counts.
class Sampler {
 public:
  static Result<Sampler> create(const SamplingParams& params, const SamplerConfig& config);

  // Feeds one token of the prompt or the answer, in order; must be inside the vocabulary.
  void accept(TokenId token);

  // The next token, not yet accepted. An error when a logit is NaN or +infinity, or when every
  // token is ruled out.
  Result<SampleResult> sample(const SampleInput& input, SamplerScratch& scratch);

  float mirostat_mu() const { return mu_; }

 private:
  struct MirostatStep {
    TokenId token = kNoToken;
    float mu = 0.0F;
  };

  Sampler(const SamplingParams& params, const SamplerConfig& config);

  bool modifies_logits(const SampleInput& input) const;
  bool end_is_banned(uint64_t token_index) const;
  void modify(const SampleInput& input, SamplerScratch& scratch) const;
  Result<std::span<const float>> prepare(const SampleInput& input, SamplerScratch& scratch) const;

  bool is_greedy() const;
  TokenId choose(uint64_t token_index, Candidates& candidates);
  void truncate(Candidates& candidates) const;
  void apply_xtc(uint64_t token_index, Candidates& candidates) const;
  float final_temperature(const Candidates& candidates) const;
  TokenId draw_with_mirostat(uint64_t token_index, Candidates& candidates);
  double uniform(uint64_t token_index, uint32_t lane) const;
  void add_logprobs(const SampleInput& input, SamplerScratch& scratch, SampleResult& result) const;

  SamplingParams params_;
  SamplerConfig config_;
  RepeatPenalties penalties_;
  DryPenalty dry_;
  TokenWindow window_;
  float mu_ = 0.0F;
  MirostatStep pending_;  // takes effect when its token is accepted
};

}  // namespace quern
