// How a sequence's tokens are drawn: plain data, seen by the scheduler and filled by the servers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace quern {

// Added to a token's logit before anything else; -infinity bans the token.
struct LogitBias {
  TokenId token = kNoToken;
  float bias = 0.0F;
};

enum class Mirostat : uint8_t { off, v2 };

// Every default is "off": what is left is a draw from the model's own distribution.
struct SamplingParams {
  // Logits are divided by it. 0 is greedy: the highest logit after biases and penalties wins.
  float temperature = 1.0F;
  // With a range r > 0 the temperature follows the entropy H of what is left:
  // lo + (hi - lo) * (H / ln(n_candidates))^exponent, lo = max(0, temperature - r), hi =
  // temperature + r.
  float dynatemp_range = 0.0F;
  float dynatemp_exponent = 1.0F;

  int32_t top_k = 0;         // keep the k highest; <= 0 is off
  float top_p = 1.0F;        // keep the smallest head with mass >= p; 1 is off
  float min_p = 0.0F;        // keep p(token) >= min_p * p(best); 0 is off
  float typical_p = 1.0F;    // locally typical set with mass > p (Meister et al. 2022); 1 is off
  float top_n_sigma = 0.0F;  // keep logit >= max - n * stddev (Tang et al. 2024); <= 0 is off

  // With this probability, all tokens at or above the threshold but the least likely are removed.
  float xtc_probability = 0.0F;
  float xtc_threshold = 0.1F;  // above 0.5 no two tokens can reach it: off

  // Over the last penalty_last_n accepted tokens, prompt included.
  float repetition_penalty = 1.0F;  // divides a positive logit, multiplies a negative one
  float frequency_penalty = 0.0F;   // subtracted once per occurrence
  float presence_penalty = 0.0F;    // subtracted once
  int32_t penalty_last_n = 64;      // 0 is off, -1 the whole context

  // DRY: a token that would extend an earlier repetition of length n >= allowed_length loses
  // multiplier * base^(n - allowed_length).
  float dry_multiplier = 0.0F;  // 0 is off
  float dry_base = 1.75F;
  int32_t dry_allowed_length = 2;
  int32_t dry_penalty_last_n = -1;  // tokens to look back; 0 is off, -1 the whole context
  // Repetitions do not reach across these sequences; a breaker of one token is never penalised.
  std::vector<std::vector<TokenId>> dry_sequence_breakers;

  // Mirostat 2.0 (Basu et al. 2021) replaces all truncation and XTC.
  Mirostat mirostat = Mirostat::off;
  float mirostat_tau = 5.0F;  // target surprise in bits
  float mirostat_eta = 0.1F;  // learning rate

  std::vector<LogitBias> logit_bias;   // several entries for one token add up
  std::vector<TokenId> banned_tokens;  // never drawn
  std::vector<TokenId> end_tokens;     // what ends an answer, for the two fields below
  bool ignore_eos = false;             // end tokens are never drawn
  uint64_t min_tokens = 0;             // no end token before this many generated tokens

  uint64_t seed = 0;
  // -1: none; 0: the drawn token's own; n: also those of the n most likely tokens.
  int32_t n_logprobs = -1;
};

inline constexpr int32_t kMaxLogprobs = 1024;
// Bounds on what a request can make the sampler keep and search per step.
inline constexpr int32_t kMaxPenaltyWindow = 1 << 20;
inline constexpr size_t kMaxDryBreakers = 1 << 17;  // a breaker can be every token with a newline
inline constexpr size_t kMaxDryBreakerTokens = 20;

// Success, or an error that names the first field out of range ("top_p is 1.5; expected ...").
Status validate(const SamplingParams& params, uint32_t vocab_size);

}  // namespace quern
