#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "sampling/dry.h"
#include "sampling/softmax.h"
#include "sampling/token_window.h"

namespace quern {
namespace {

using testing::Each;
using testing::ElementsAre;

TokenWindow window_of(const std::vector<int>& tokens, size_t capacity) {
  TokenWindow window(capacity);
  for (const int token : tokens) {
    window.push(TokenId{token});
  }
  return window;
}

TEST(TokenWindow, KeepsTheNewestInOrder) {
  const TokenWindow window = window_of({1, 2, 3, 4, 5}, 3);
  ASSERT_EQ(window.size(), 3U);
  EXPECT_EQ(window.recent(0), TokenId{5});
  EXPECT_EQ(window.recent(1), TokenId{4});
  EXPECT_EQ(window.recent(2), TokenId{3});
  EXPECT_EQ(window_of({1, 2}, 3).size(), 2U);
  EXPECT_EQ(window_of({1, 2}, 3).recent(1), TokenId{1});
  EXPECT_EQ(window_of({1, 2}, 0).size(), 0U);
}

std::vector<float> penalised(const RepeatPenalties& penalties, const std::vector<int>& tokens) {
  std::vector<float> logits = {4.0F, -4.0F, 0.0F, 1.0F};
  std::vector<uint32_t> counts(logits.size());
  apply_repeat_penalties(penalties, window_of(tokens, tokens.size()),
                         {.logits = logits, .counts = counts});
  EXPECT_THAT(counts, Each(0U));
  return logits;
}

// By hand, from the definitions: positive / r, negative * r (Keskar et al. 2019 as everyone applies
// it), minus count * frequency + presence (OpenAI's API reference).
TEST(RepeatPenalties, FollowTheirDefinitions) {
  EXPECT_THAT(penalised({.repetition = 2.0F, .last_n = 9}, {0, 1, 1, 2}),
              ElementsAre(2.0F, -8.0F, 0.0F, 1.0F));
  EXPECT_THAT(penalised({.frequency = 0.5F, .last_n = 9}, {0, 1, 1, 2}),
              ElementsAre(3.5F, -5.0F, -0.5F, 1.0F));
  EXPECT_THAT(penalised({.presence = 0.5F, .last_n = 9}, {0, 1, 1, 2}),
              ElementsAre(3.5F, -4.5F, -0.5F, 1.0F));
  EXPECT_THAT(
      penalised({.repetition = 2.0F, .frequency = 0.5F, .presence = 1.0F, .last_n = 9}, {0, 0, 0}),
      ElementsAre(-0.5F, -4.0F, 0.0F, 1.0F));
}

TEST(RepeatPenalties, LookBackLastNTokensOnly) {
  EXPECT_THAT(penalised({.presence = 1.0F, .last_n = 2}, {0, 1, 2, 3}),
              ElementsAre(4.0F, -4.0F, -1.0F, 0.0F));
}

// What the penalty takes from each logit.
struct DryCase {
  std::vector<int> tokens;
  std::vector<std::vector<TokenId>> breakers = {};
  float multiplier = 1.0F;
  float base = 1.1F;
  int allowed_length = 2;
  size_t last_n = 1000;
  size_t vocab_size = 5;
};

std::vector<float> dry_penalties(const DryCase& c) {
  SamplingParams params;
  params.dry_multiplier = c.multiplier;
  params.dry_base = c.base;
  params.dry_allowed_length = c.allowed_length;
  params.dry_sequence_breakers = c.breakers;
  const DryPenalty dry(params, c.last_n);
  std::vector<float> logits(c.vocab_size, 0.0F);
  std::vector<uint32_t> counts(c.vocab_size);
  DryScratch scratch(c.last_n);
  dry.apply(window_of(c.tokens, c.last_n), scratch, {.logits = logits, .counts = counts});
  EXPECT_THAT(counts, Each(0U));
  for (float& x : logits) {
    x = 0.0F - x;
  }
  return logits;
}

// The settings of llama.cpp's tests/test-sampling.cpp (test_dry), with the penalty worked out by
// hand: its 0.109232 is 0.25 / e over the new sum, so a penalty of 1; its 0.032727 one of 2.
TEST(Dry, HandWorkedCases) {
  EXPECT_THAT(dry_penalties({.tokens = {0, 1}}), Each(0.0F));
  EXPECT_THAT(dry_penalties({.tokens = {0, 1, 2, 0, 1}}), ElementsAre(0, 0, 1.0F, 0, 0));
  EXPECT_THAT(dry_penalties({.tokens = {0, 1, 2, 0, 1}, .multiplier = 2.0F}),
              ElementsAre(0, 0, 2.0F, 0, 0));
  EXPECT_THAT(dry_penalties({.tokens = {0, 1, 3, 4, 0, 1}, .breakers = {{TokenId{3}}}}),
              Each(0.0F));
  EXPECT_THAT(dry_penalties({.tokens = {0, 1, 2, 3, 4, 0, 1}, .allowed_length = 4}), Each(0.0F));
}

TEST(Dry, GrowsByTheBaseWithEachRepeatedToken) {
  // 0 1 2 3 repeats with length 4 before the 4: 1.5 * 2^(4 - 2).
  EXPECT_THAT(
      dry_penalties({.tokens = {0, 1, 2, 3, 4, 0, 1, 2, 3}, .multiplier = 1.5F, .base = 2.0F}),
      ElementsAre(0, 0, 0, 0, 6.0F));
}

TEST(Dry, TheWindowLimitsWhatCounts) {
  // Within the last 4 tokens (1 2 0 1) only "1" repeats.
  EXPECT_THAT(dry_penalties({.tokens = {0, 1, 2, 0, 1}, .last_n = 4}), Each(0.0F));
}

TEST(Dry, ABreakerOfSeveralTokensCutsTheRepetition) {
  // Since the breaker (4 0) only "1 2" was said: length 2, though 4 0 1 2 repeats.
  const std::vector<int> tokens = {4, 0, 1, 2, 3, 4, 0, 1, 2};
  EXPECT_THAT(dry_penalties({.tokens = tokens, .base = 2.0F}), ElementsAre(0, 0, 0, 4.0F, 0));
  EXPECT_THAT(
      dry_penalties({.tokens = tokens, .breakers = {{TokenId{4}, TokenId{0}}}, .base = 2.0F}),
      ElementsAre(0, 0, 0, 1.0F, 0));
  // Of breakers with the same head the longest counts; then too little is left.
  EXPECT_THAT(dry_penalties({.tokens = tokens,
                             .breakers = {{TokenId{4}, TokenId{0}},
                                          {TokenId{4}, TokenId{0}, TokenId{1}},
                                          {TokenId{4}, TokenId{1}}}}),
              Each(0.0F));
}

TEST(Dry, AHugeRepetitionStaysFinite) {
  const std::vector<int> tokens(5000, 1);
  const std::vector<float> got = dry_penalties({.tokens = tokens, .base = 1.75F, .last_n = 5000});
  EXPECT_TRUE(std::isfinite(got[1]));
  EXPECT_GT(got[1], 1e30F);
}

// Literally the definition: for each earlier place, count matching tokens one by one.
std::vector<uint32_t> repeats_by_definition(const std::vector<TokenId>& recent) {
  std::vector<uint32_t> repeats(recent.size());
  for (size_t k = 1; k < recent.size(); ++k) {
    while (k + repeats[k] < recent.size() && recent[k + repeats[k]] == recent[repeats[k]]) {
      ++repeats[k];
    }
  }
  return repeats;
}

TEST(FindRepeats, EqualsTheDefinitionOnRandomAndPeriodicTexts) {
  std::mt19937 generator(5);
  for (uint32_t n_letters = 1; n_letters <= 3; ++n_letters) {
    for (size_t n = 0; n < 200; ++n) {
      std::vector<TokenId> text(n);
      for (size_t i = 0; i < n; ++i) {
        text[i] = i >= 40 && n % 2 == 0 ? text[i - 7]
                                        : TokenId{static_cast<int>(generator() % n_letters)};
      }
      std::vector<uint32_t> got(n);
      find_repeats(text, got);
      EXPECT_EQ(got, repeats_by_definition(text));
    }
  }
}

}  // namespace
}  // namespace quern
