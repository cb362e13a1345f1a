// SamplingFields: how a request wants its tokens drawn, as far as it says so. Each dialect reads
// its own names into it; sampling_params() fills the rest from the model's file and the dialect's
// custom. Plain data and pure functions.
//
//   SamplingFields sampling;
//   read_sampling(fields, sampling);             // OpenAI's names and the extensions of /v1
//   Api<SamplingParams> params = sampling_params(sampling, model, SamplingCustom::openai);
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/loaded_model.h"
#include "engine/sampling_defaults.h"
#include "sampling/sampling_params.h"
#include "server/fields.h"

namespace quern::server {

inline constexpr int64_t kMaxLogitBiases = 1024;

struct SamplingFields {
  std::optional<float> temperature;
  std::optional<float> top_p;
  std::optional<float> min_p;
  std::optional<float> typical_p;
  std::optional<float> top_n_sigma;
  std::optional<float> xtc_probability;
  std::optional<float> xtc_threshold;
  std::optional<float> dry_multiplier;
  std::optional<float> dry_base;
  std::optional<float> dynatemp_range;
  std::optional<float> dynatemp_exponent;
  std::optional<float> repetition_penalty;
  std::optional<float> frequency_penalty;
  std::optional<float> presence_penalty;
  std::optional<float> mirostat_tau;
  std::optional<float> mirostat_eta;
  std::optional<Mirostat> mirostat;
  std::optional<int32_t> top_k;
  std::optional<int32_t> penalty_last_n;
  std::optional<int32_t> dry_allowed_length;
  std::optional<int32_t> dry_penalty_last_n;
  std::optional<int64_t> seed;  // -1 (and none): one is drawn
  std::optional<uint32_t> min_tokens;
  std::optional<bool> ignore_eos;
  std::vector<LogitBias> logit_bias;
  std::vector<TokenId> stop_tokens;  // end the answer, beside the model's own
  int32_t n_logprobs = -1;
};

// temperature, top_p, top_k, min_p, repetition_penalty, frequency_penalty, presence_penalty, seed,
// logit_bias, min_tokens, ignore_eos, stop_token_ids; and what llama-server has beyond these:
// typical_p, top_n_sigma, xtc_*, dry_*, dynatemp_*, mirostat*, repeat_penalty (repetition_penalty
// counts more), repeat_last_n. n_logprobs is the caller's to read: routes name it differently.
void read_sampling(Fields& fields, SamplingFields& out);
// repeat_penalty, repeat_last_n.
void read_repeat(Fields& fields, SamplingFields& out);
// mirostat (0 or 2), mirostat_tau, mirostat_eta.
void read_mirostat(Fields& fields, SamplingFields& out);

// Draws a seed where none was given. 400 for a token outside the vocabulary.
Api<SamplingParams> sampling_params(const SamplingFields& fields, const LoadedModel& model,
                                    SamplingCustom custom);

}  // namespace quern::server
