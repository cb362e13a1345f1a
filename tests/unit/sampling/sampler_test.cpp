#include "sampling/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "reference.h"

namespace quern {
namespace {

using testing::HasSubstr;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr uint32_t kContext = 4096;
constexpr uint32_t kVocab = 30'000;  // for tests of real size

// One sampler with its scratch, as a request with one answer has it.
struct Rig {
  explicit Rig(const SamplingParams& params, uint32_t vocab_size = 4, uint32_t choice = 0)
      : sampler(Sampler::create(
                    params,
                    {.vocab_size = vocab_size, .context_length = kContext, .choice_index = choice})
                    .value()),
        scratch(vocab_size, kContext) {}

  SampleResult sample(const std::vector<float>& logits, uint64_t index = 0) {
    return sampler.sample({.logits = logits, .token_index = index}, scratch).value();
  }
  int draw(const std::vector<float>& logits, uint64_t index = 0) {
    return value(sample(logits, index).token);
  }
  std::string error(const std::vector<float>& logits) {
    return sampler.sample({.logits = logits}, scratch).error().to_string();
  }

  Sampler sampler;
  SamplerScratch scratch;
};

SamplingParams greedy() {
  SamplingParams params;
  params.temperature = 0;
  return params;
}

TEST(Sampler, RefusesBadSettingsByName) {
  SamplingParams params;
  params.min_p = 2;
  const auto sampler = Sampler::create(params, {.vocab_size = 10, .context_length = 10});
  ASSERT_FALSE(sampler.has_value());
  EXPECT_THAT(sampler.error().to_string(), HasSubstr("min_p is 2"));
}

TEST(Sampler, GreedyTakesTheHighestAndTheLowerIdOfEquals) {
  Rig rig(greedy());
  EXPECT_EQ(rig.draw({1, 3, 2, 0}), 1);
  EXPECT_EQ(rig.draw({1, 3, 2, 3}), 1);
  EXPECT_EQ(rig.draw({-kInf, -kInf, -5, -kInf}), 2);
  EXPECT_EQ(rig.draw({-1, 0.0F, -0.0F, -1}), 1);
}

TEST(Sampler, ATemperatureNearZeroIsGreedyNotNan) {
  for (const float t : {1e-45F, 1e-39F, 1e-30F, 1e-6F}) {
    SamplingParams params;
    params.temperature = t;
    Rig rig(params);
    EXPECT_EQ(rig.draw({1, 3, 2, -kInf}), 1);
  }
}

TEST(Sampler, GreedySeesBiasBansAndPenalties) {
  SamplingParams params = greedy();
  params.logit_bias = {{TokenId{0}, 1.5F}, {TokenId{0}, 1.0F}};
  EXPECT_EQ(Rig(params).draw({1, 3, 2, 0}), 0);  // 3.5 beats 3
  params = greedy();
  params.logit_bias = {{TokenId{1}, -kInf}};
  EXPECT_EQ(Rig(params).draw({1, 3, 2, 0}), 2);
  params = greedy();
  params.banned_tokens = {TokenId{1}, TokenId{2}};
  EXPECT_EQ(Rig(params).draw({1, 3, 2, 0}), 0);
  params = greedy();
  params.repetition_penalty = 2;
  Rig rig(params);
  EXPECT_EQ(rig.draw({1, 3, 2, 0}), 1);
  rig.sampler.accept(TokenId{1});
  EXPECT_EQ(rig.draw({1, 3, 2, 0}), 2);  // 3 / 2 loses to 2
}

TEST(Sampler, PenaltyWindowForgets) {
  SamplingParams params = greedy();
  params.presence_penalty = 5;
  params.penalty_last_n = 2;
  Rig rig(params);
  for (const int token : {1, 3, 3}) {
    rig.sampler.accept(TokenId{token});
  }
  EXPECT_EQ(rig.draw({1, 3, 2, 0}), 1);
  params.penalty_last_n = -1;
  Rig whole(params);
  for (const int token : {1, 3, 3}) {
    whole.sampler.accept(TokenId{token});
  }
  EXPECT_EQ(whole.draw({1, 3, 2, 0}), 2);
}

TEST(Sampler, DryStopsALoop) {
  SamplingParams params = greedy();
  params.dry_multiplier = 10;
  Rig rig(params);
  for (const int token : {0, 2, 1, 0, 2}) {
    rig.sampler.accept(TokenId{token});
  }
  EXPECT_EQ(rig.draw({1, 3, 2, 0}), 2);  // 1 would make it 0 2 1 0 2 1
}

TEST(Sampler, EndTokensWaitForMinTokensAndNeverComeUnderIgnoreEos) {
  SamplingParams params = greedy();
  params.end_tokens = {TokenId{1}};
  params.min_tokens = 3;
  Rig rig(params);
  EXPECT_EQ(rig.draw({1, 3, 2, 0}, 2), 2);
  EXPECT_EQ(rig.draw({1, 3, 2, 0}, 3), 1);
  params.ignore_eos = true;
  EXPECT_EQ(Rig(params).draw({1, 3, 2, 0}, 1000), 2);
}

TEST(Sampler, AMaskRulesTokensOut) {
  GrammarMask mask(4);
  mask.forbid(TokenId{1});
  Rig rig(greedy());
  const std::vector<float> logits = {1, 3, 2, 0};
  const SampleInput input{.logits = logits, .mask = &mask};
  EXPECT_EQ(rig.sampler.sample(input, rig.scratch)->token, TokenId{2});
  EXPECT_EQ(rig.draw(logits), 1);
}

TEST(Sampler, UnusableLogitsAreErrors) {
  SamplingParams banned;
  banned.banned_tokens = {TokenId{0}};
  for (const SamplingParams& params : {SamplingParams{}, greedy(), banned}) {
    Rig rig(params);
    EXPECT_THAT(rig.error({std::nanf(""), 1, 2, 3}), HasSubstr("NaN"));
    EXPECT_THAT(rig.error({1, 2, 3, std::nanf("")}), HasSubstr("NaN"));
    EXPECT_THAT(rig.error({1, 2, kInf, 0}), HasSubstr("+inf"));
    EXPECT_THAT(rig.error({-kInf, -kInf, -kInf, -kInf}), HasSubstr("every token is ruled out"));
  }
  Rig rig(banned);
  EXPECT_THAT(rig.error({1, -kInf, -kInf, -kInf}), HasSubstr("every token is ruled out"));
  EXPECT_EQ(rig.draw({1, -kInf, 0, -kInf}), 2);  // the sampler is usable afterwards
}

TEST(Sampler, LogprobsAreThoseOfTheLogitsAsGiven) {
  // Probabilities 0.1 to 0.4, shifted by 7; settings that change the draw must not change them.
  SamplingParams params;
  params.temperature = 0.2F;
  params.logit_bias = {{TokenId{0}, 100.0F}};
  params.top_k = 1;
  params.n_logprobs = 3;
  Rig rig(params);
  std::vector<float> logits;
  for (const float p : {0.1F, 0.2F, 0.3F, 0.4F}) {
    logits.push_back(std::log(p) + 7.0F);
  }
  const SampleResult result = rig.sample(logits);
  EXPECT_EQ(result.token, TokenId{0});
  EXPECT_NEAR(result.logprob.value_or(kInf), std::log(0.1F), 1e-6);
  ASSERT_EQ(result.top_logprobs.size(), 3U);
  const std::vector<float> want = {0.4F, 0.3F, 0.2F};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(value(result.top_logprobs[i].token), 3 - static_cast<int>(i));
    EXPECT_NEAR(result.top_logprobs[i].logprob, std::log(want[i]), 1e-6);
  }
}

TEST(Sampler, LogprobsOnARealVocabularyMatchADoublePrecisionSoftmax) {
  const std::vector<float> logits = test::random_logits(kVocab, 3, true);
  SamplingParams params;
  params.n_logprobs = 20;
  Rig rig(params, kVocab);
  const SampleResult result = rig.sample(logits);
  const test::Choices all = test::all_choices(logits);
  const std::vector<double> p = test::softmax(all);
  const test::Choices top = test::ref_top_k(all, 20);
  ASSERT_EQ(result.top_logprobs.size(), 20U);
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(value(result.top_logprobs[i].token), top[i].id);
    EXPECT_NEAR(static_cast<double>(result.top_logprobs[i].logprob),
                std::log(p[static_cast<size_t>(top[i].id)]), 2e-6);
  }
  EXPECT_NEAR(static_cast<double>(result.logprob.value_or(kInf)),
              std::log(p[static_cast<size_t>(value(result.token))]), 2e-6);
}

TEST(Sampler, LogprobsComeOnlyWhenAsked) {
  SamplingParams params;
  EXPECT_FALSE(Rig(params).sample({1, 2, 3, 4}).logprob.has_value());
  params.n_logprobs = 0;
  Rig rig(params);
  EXPECT_TRUE(rig.sample({1, 2, 3, 4}).logprob.has_value());
  EXPECT_TRUE(rig.sample({1, 2, 3, 4}).top_logprobs.empty());
}

SamplingParams everything() {
  SamplingParams params;
  params.seed = 99;
  params.temperature = 1.3F;
  params.dynatemp_range = 0.5F;
  params.top_k = 200;
  params.top_p = 0.95F;
  params.min_p = 0.001F;
  params.typical_p = 0.97F;
  params.xtc_probability = 0.5F;
  params.repetition_penalty = 1.1F;
  params.frequency_penalty = 0.2F;
  params.dry_multiplier = 0.8F;
  return params;
}

// 60 tokens of a fake model whose logits depend on the position.
std::vector<int> generate(Rig& rig, uint64_t from = 0) {
  std::vector<int> tokens;
  for (uint64_t i = from; i < 60; ++i) {
    const int token = rig.draw(test::random_logits(500, static_cast<uint32_t>(i)), i);
    tokens.push_back(token);
    rig.sampler.accept(TokenId{token});
  }
  return tokens;
}

TEST(Determinism, SequencesThatShareAScratchDrawAsAlone) {
  Rig alone(everything(), 500);
  const std::vector<int> want = generate(alone);
  Rig a(everything(), 500);
  SamplingParams other = everything();
  other.seed = 1;
  other.n_logprobs = 5;
  Rig b(other, 500);
  std::vector<int> got;
  for (uint64_t i = 0; i < 60; ++i) {
    const std::vector<float> logits = test::random_logits(500, static_cast<uint32_t>(i));
    // b uses a's scratch in between, and draws from other logits.
    const auto theirs =
        b.sampler.sample({.logits = test::random_logits(500, 77), .token_index = i}, a.scratch);
    b.sampler.accept(theirs->token);
    got.push_back(a.draw(logits, i));
    a.sampler.accept(TokenId{got.back()});
  }
  EXPECT_EQ(got, want);
}

TEST(Determinism, ADrawThatIsThrownAwayLeavesNoTrace) {
  for (const bool mirostat : {false, true}) {
    SamplingParams params = everything();
    params.mirostat = mirostat ? Mirostat::v2 : Mirostat::off;
    Rig whole(params, 500);
    const std::vector<int> want = generate(whole);
    Rig rig(params, 500);
    for (size_t i = 0; i < 25; ++i) {
      rig.draw(test::random_logits(500, static_cast<uint32_t>(i)), i);
      rig.sampler.accept(TokenId{want[i]});
    }
    rig.draw(test::random_logits(500, 1234), 25);
    EXPECT_EQ(generate(rig, 25), std::vector<int>(want.begin() + 25, want.end()));
  }
}

TEST(Determinism, SeedChoiceAndIndexEachGiveOtherDraws) {
  const std::vector<float> flat(256, 0.0F);
  const auto stream = [&](uint64_t seed, uint32_t choice, uint64_t start) {
    SamplingParams params;
    params.seed = seed;
    Rig rig(params, 256, choice);
    std::vector<int> tokens;
    tokens.reserve(32);
    for (uint64_t i = 0; i < 32; ++i) {
      tokens.push_back(rig.draw(flat, start + i));
    }
    return tokens;
  };
  const std::set<std::vector<int>> streams = {stream(1, 0, 0),           stream(2, 0, 0),
                                              stream(1, 1, 0),           stream(1, 0, 1000),
                                              stream(1ULL << 40U, 0, 0), stream(1, 0, 1ULL << 40U)};
  EXPECT_EQ(streams.size(), 6U);
  EXPECT_EQ(stream(1, 0, 0), stream(1, 0, 0));
}

}  // namespace
}  // namespace quern
