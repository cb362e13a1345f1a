// Frequencies of 100,000 draws with fixed seeds against exact probabilities.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "reference.h"
#include "sampling/sampler.h"

namespace quern {
namespace {

constexpr uint64_t kDraws = 100'000;
constexpr int kFlatVocab = 5000;
constexpr uint64_t kSteps = 5000;

std::map<int, int> draw_many(const SamplingParams& params, const std::vector<float>& logits,
                             const std::vector<int>& accepted = {}) {
  const auto n = static_cast<uint32_t>(logits.size());
  auto sampler = Sampler::create(params, {.vocab_size = n, .context_length = 256}).value();
  SamplerScratch scratch(n, 256);
  for (const int token : accepted) {
    sampler.accept(TokenId{token});
  }
  std::map<int, int> counts;
  for (uint64_t i = 0; i < kDraws; ++i) {
    ++counts[value(sampler.sample({.logits = logits, .token_index = i}, scratch)->token)];
  }
  return counts;
}

void expect_matches_reference(const SamplingParams& params) {
  std::vector<float> logits = test::random_logits(150, 21);
  logits[3] = -std::numeric_limits<float>::infinity();
  test::expect_frequencies(test::ref_distribution(params, test::all_choices(logits)),
                           draw_many(params, logits));
}

TEST(Distribution, PlainDrawFollowsTheSoftmax) {
  // Probabilities 0.1, 0.2, 0.3, 0.4: softmax of their logarithms.
  const std::vector<float> logits = {std::log(0.1F), std::log(0.2F), std::log(0.3F),
                                     std::log(0.4F)};
  test::expect_frequencies({{0, 0.1}, {1, 0.2}, {2, 0.3}, {3, 0.4}}, draw_many({}, logits));
}

TEST(Distribution, TemperatureRaisesProbabilitiesToItsInverse) {
  // T = 0.5 squares them: 1, 4, 9, 16 over 30.
  const std::vector<float> logits = {std::log(0.1F), std::log(0.2F), std::log(0.3F),
                                     std::log(0.4F)};
  SamplingParams params;
  params.temperature = 0.5F;
  test::expect_frequencies({{0, 1 / 30.0}, {1, 4 / 30.0}, {2, 9 / 30.0}, {3, 16 / 30.0}},
                           draw_many(params, logits));
}

TEST(Distribution, EachStepAloneFollowsItsDefinition) {
  std::vector<SamplingParams> all(10);
  all[0].top_k = 7;
  all[1].top_p = 0.8F;
  all[2].min_p = 0.05F;
  all[3].typical_p = 0.7F;
  all[4].top_n_sigma = 1.0F;
  all[5].xtc_probability = 0.4F;
  all[5].xtc_threshold = 0.05F;
  all[6].temperature = 2.5F;
  all[7].dynatemp_range = 0.9F;
  all[7].dynatemp_exponent = 1.5F;
  all[8].dynatemp_range = 5.0F;
  all[9].xtc_probability = 1.0F;
  all[9].xtc_threshold = 0.02F;
  for (size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE(i);
    all[i].seed = i;
    expect_matches_reference(all[i]);
  }
}

TEST(Distribution, TheWholeChainRunsInTheDocumentedOrder) {
  SamplingParams params;
  params.seed = 5;
  params.top_n_sigma = 2.5F;
  params.top_k = 40;
  params.typical_p = 0.95F;
  params.top_p = 0.9F;
  params.min_p = 0.02F;
  params.xtc_probability = 0.3F;
  params.xtc_threshold = 0.08F;
  params.temperature = 1.4F;
  params.dynatemp_range = 0.4F;
  expect_matches_reference(params);
}

TEST(Distribution, TheXtcCoinIsIndependentOfTheDraw) {
  // Two tokens of 0.5 each: with the coin (0.5) the lower id goes, else a fair draw. A coin that
  // shared bits with the draw would move these frequencies from 1/4 and 3/4.
  SamplingParams params;
  params.xtc_probability = 0.5F;
  test::expect_frequencies({{0, 0.25}, {1, 0.75}}, draw_many(params, {0.0F, 0.0F}));
}

TEST(Distribution, PenaltiesChangeProbabilitiesByTheirClosedForm) {
  // Five equal logits of 0 (a repetition penalty leaves 0 alone); token 0 seen three times, token 1
  // once: weights e^-(3 * 0.3 + 0.2), e^-(0.3 + 0.2), 1, 1, 1.
  SamplingParams params;
  params.repetition_penalty = 3.0F;
  params.frequency_penalty = 0.3F;
  params.presence_penalty = 0.2F;
  const double w0 = std::exp(-1.1);
  const double w1 = std::exp(-0.5);
  const double z = w0 + w1 + 3;
  test::expect_frequencies({{0, w0 / z}, {1, w1 / z}, {2, 1 / z}, {3, 1 / z}, {4, 1 / z}},
                           draw_many(params, std::vector<float>(5, 0.0F), {0, 1, 0, 0}));
}

TEST(Distribution, BiasMultipliesOddsByItsExponential) {
  SamplingParams params;
  params.logit_bias = {{TokenId{2}, std::log(3.0F)}};
  params.banned_tokens = {TokenId{0}};
  test::expect_frequencies({{1, 0.25}, {2, 0.75}}, draw_many(params, {5.0F, 0.0F, 0.0F}));
}

TEST(Distribution, ALargeFlatVocabularyIsUniform) {
  std::map<int, double> uniform;
  for (int i = 0; i < kFlatVocab; ++i) {
    uniform[i] = 1.0 / kFlatVocab;
  }
  test::expect_frequencies(uniform, draw_many({}, std::vector<float>(kFlatVocab, -3.0F)));
}

// Mirostat 2.0 (Basu et al. 2021, algorithm 2) with probabilities 1/2, 1/4, 1/8, 1/8: surprises of
// 1, 2, 3, 3 bits.
TEST(Mirostat, KeepsTokensUpToMuAndRenormalises) {
  SamplingParams params;
  params.mirostat = Mirostat::v2;
  params.mirostat_tau = 1.2F;  // mu starts at 2.4
  params.top_k = 1;            // replaced by mirostat
  const std::vector<float> logits = {std::log(0.5F), std::log(0.25F), std::log(0.125F),
                                     std::log(0.125F)};
  test::expect_frequencies({{0, 2 / 3.0}, {1, 1 / 3.0}}, draw_many(params, logits));
}

TEST(Mirostat, MuFollowsTheSurpriseOfAcceptedTokens) {
  SamplingParams params;
  params.mirostat = Mirostat::v2;
  params.mirostat_tau = 1.2F;
  params.mirostat_eta = 0.5F;
  const std::vector<float> logits = {std::log(0.5F), std::log(0.25F), std::log(0.125F),
                                     std::log(0.125F)};
  auto sampler = Sampler::create(params, {.vocab_size = 4, .context_length = 8}).value();
  SamplerScratch scratch(4, 8);
  EXPECT_FLOAT_EQ(sampler.mirostat_mu(), 2.4F);
  const TokenId token = sampler.sample({.logits = logits}, scratch)->token;
  EXPECT_FLOAT_EQ(sampler.mirostat_mu(), 2.4F);
  sampler.accept(token);
  // Of the two kept, probabilities 2/3 and 1/3.
  const double surprise = token == TokenId{0} ? -std::log2(2 / 3.0) : -std::log2(1 / 3.0);
  EXPECT_NEAR(static_cast<double>(sampler.mirostat_mu()), 2.4 - 0.5 * (surprise - 1.2), 1e-5);
}

TEST(Mirostat, HoldsTheMeanSurpriseNearTau) {
  SamplingParams params;
  params.mirostat = Mirostat::v2;
  params.mirostat_tau = 3.0F;
  params.n_logprobs = 0;
  auto sampler = Sampler::create(params, {.vocab_size = 1000, .context_length = 8}).value();
  SamplerScratch scratch(1000, 8);
  const std::vector<float> logits = test::random_logits(1000, 4);
  double surprise = 0;
  for (uint64_t i = 0; i < kSteps; ++i) {
    const double before = static_cast<double>(sampler.mirostat_mu());
    sampler.accept(sampler.sample({.logits = logits, .token_index = i}, scratch)->token);
    const double after = static_cast<double>(sampler.mirostat_mu());
    surprise += 3.0 - (after - before) / 0.1;  // from mu's update rule
  }
  EXPECT_NEAR(surprise / kSteps, 3.0, 0.05);
}

}  // namespace
}  // namespace quern
