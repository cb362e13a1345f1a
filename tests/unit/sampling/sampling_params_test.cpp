#include "sampling/sampling_params.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace quern {
namespace {

using testing::HasSubstr;

constexpr uint32_t kVocab = 100;

struct BadField {
  std::string name;
  std::function<void(SamplingParams&)> set;
};

TEST(SamplingParams, DefaultsAreValid) {
  EXPECT_TRUE(validate(SamplingParams{}, kVocab).has_value());
}

TEST(SamplingParams, AFieldOutOfRangeIsNamed) {
  const float nan = std::nanf("");
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<BadField> cases = {
      {"temperature", [](auto& p) { p.temperature = -0.1F; }},
      {"temperature", [=](auto& p) { p.temperature = nan; }},
      {"temperature", [=](auto& p) { p.temperature = inf; }},
      {"dynatemp_range", [](auto& p) { p.dynatemp_range = -1; }},
      {"dynatemp_exponent", [=](auto& p) { p.dynatemp_exponent = nan; }},
      {"top_k", [](auto& p) { p.top_k = -2; }},
      {"top_p", [](auto& p) { p.top_p = 1.5F; }},
      {"top_p", [](auto& p) { p.top_p = -0.1F; }},
      {"min_p", [](auto& p) { p.min_p = 1.1F; }},
      {"typical_p", [](auto& p) { p.typical_p = 0; }},
      {"top_n_sigma", [=](auto& p) { p.top_n_sigma = inf; }},
      {"xtc_probability", [](auto& p) { p.xtc_probability = 2; }},
      {"xtc_threshold", [](auto& p) { p.xtc_threshold = -1; }},
      {"repetition_penalty", [](auto& p) { p.repetition_penalty = 0; }},
      {"frequency_penalty", [=](auto& p) { p.frequency_penalty = nan; }},
      {"presence_penalty", [=](auto& p) { p.presence_penalty = -inf; }},
      {"penalty_last_n", [](auto& p) { p.penalty_last_n = -2; }},
      {"dry_multiplier", [](auto& p) { p.dry_multiplier = -1; }},
      {"dry_base", [](auto& p) { p.dry_base = 0.5F; }},
      {"dry_allowed_length", [](auto& p) { p.dry_allowed_length = -1; }},
      {"dry_penalty_last_n", [](auto& p) { p.dry_penalty_last_n = kMaxPenaltyWindow + 1; }},
      {"dry_sequence_breakers", [](auto& p) { p.dry_sequence_breakers = {{}}; }},
      {"dry_sequence_breakers", [](auto& p) { p.dry_sequence_breakers = {{TokenId{100}}}; }},
      {"dry_sequence_breakers",
       [](auto& p) { p.dry_sequence_breakers = {std::vector<TokenId>(21, TokenId{1})}; }},
      {"dry_sequence_breakers",
       [](auto& p) { p.dry_sequence_breakers.resize(kMaxDryBreakers + 1, {TokenId{1}}); }},
      {"mirostat_tau", [](auto& p) { p.mirostat_tau = -1; }},
      {"mirostat_eta", [=](auto& p) { p.mirostat_eta = nan; }},
      {"logit_bias", [](auto& p) { p.logit_bias = {{TokenId{100}, 1.0F}}; }},
      {"logit_bias", [](auto& p) { p.logit_bias = {{TokenId{-1}, 1.0F}}; }},
      {"logit_bias", [=](auto& p) { p.logit_bias = {{TokenId{1}, nan}}; }},
      {"logit_bias", [=](auto& p) { p.logit_bias = {{TokenId{1}, inf}}; }},
      {"banned_tokens", [](auto& p) { p.banned_tokens = {TokenId{100}}; }},
      {"end_tokens", [](auto& p) { p.end_tokens = {TokenId{-5}}; }},
      {"n_logprobs", [](auto& p) { p.n_logprobs = kMaxLogprobs + 1; }},
  };
  for (const BadField& c : cases) {
    SamplingParams params;
    c.set(params);
    const Status status = validate(params, kVocab);
    ASSERT_FALSE(status.has_value()) << c.name;
    EXPECT_THAT(status.error().what, testing::StartsWith(c.name));
    EXPECT_EQ(status.error().kind, ErrorKind::invalid_input);
    EXPECT_FALSE(status.error().expected.empty());
  }
}

TEST(SamplingParams, TheErrorIsOneLineWithValueAndRange) {
  SamplingParams params;
  params.top_p = 1.5F;
  EXPECT_EQ(validate(params, kVocab).error().to_string(),
            "[sampling] top_p is 1.5; expected a number in [0, 1]");
  params = {};
  params.repetition_penalty = 0;
  EXPECT_EQ(validate(params, kVocab).error().to_string(),
            "[sampling] repetition_penalty is 0; expected a number in (0, 1000]");
}

TEST(SamplingParams, TheEdgesOfEachRangeAreAllowed) {
  SamplingParams params;
  params.temperature = 0;
  params.top_p = 0;
  params.min_p = 1;
  params.top_k = -1;
  params.top_n_sigma = -1;
  params.xtc_probability = 1;
  params.penalty_last_n = -1;
  params.logit_bias = {{TokenId{0}, -std::numeric_limits<float>::infinity()},
                       {TokenId{99}, 100.0F}};
  EXPECT_TRUE(validate(params, kVocab).has_value());
}

}  // namespace
}  // namespace quern
