#include "base/rng.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

namespace quern {
namespace {

struct KnownAnswer {
  PhiloxBlock counter;
  std::array<uint32_t, 2> key;
  PhiloxBlock want;
};

// Random123's tests/kat_vectors, the three lines "philox4x32 10".
const std::array kKnownAnswers = {
    KnownAnswer{{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    KnownAnswer{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                {0xffffffff, 0xffffffff},
                {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    KnownAnswer{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                {0xa4093822, 0x299f31d0},
                {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

TEST(Philox, GivesThePublishedKnownAnswers) {
  for (const KnownAnswer& vector : kKnownAnswers) {
    EXPECT_EQ(philox4x32_10(vector.counter, vector.key), vector.want);
  }
}

TEST(DrawKey, IsCounterAndKeyOfThePublishedVector) {
  // The third vector, its words put where rng.h says: token index, choice, lane; seed as key.
  const DrawKey draw{.seed = 0x299f31d0a4093822,
                     .choice = 0x13198a2e,
                     .token_index = 0x85a308d3243f6a88,
                     .lane = 0x03707344};
  EXPECT_EQ(draw_words(draw), kKnownAnswers[2].want);
  // 53 high bits of the 64-bit number 0x94fdccebd16cfe09, over 2^53.
  EXPECT_EQ(draw_uniform(draw), static_cast<double>(0x94fdccebd16cfe09 >> 11) / 9007199254740992.0);
}

TEST(DrawKey, EveryFieldMatters) {
  const DrawKey base{.seed = 1, .choice = 2, .token_index = 3, .lane = 4};
  std::set<PhiloxBlock> seen = {draw_words(base)};
  for (uint32_t bit = 0; bit < 64; ++bit) {
    DrawKey seed = base;
    seed.seed ^= uint64_t{1} << bit;
    seen.insert(draw_words(seed));
    DrawKey index = base;
    index.token_index ^= uint64_t{1} << bit;
    seen.insert(draw_words(index));
  }
  for (uint32_t bit = 0; bit < 32; ++bit) {
    DrawKey choice = base;
    choice.choice ^= 1U << bit;
    seen.insert(draw_words(choice));
    DrawKey lane = base;
    lane.lane ^= 1U << bit;
    seen.insert(draw_words(lane));
  }
  EXPECT_EQ(seen.size(), 1U + 64 + 64 + 32 + 32);
}

constexpr int kDraws = 100'000;

// Pearson's statistic of 100,000 pairs (u of one key, u of its neighbour) on a 16 x 16 grid: both
// uniform and independent. 330.5 is the 0.999 quantile of chi-square with 255 degrees of freedom
// (scipy.stats.chi2.ppf).
double pair_statistic(DrawKey step) {
  std::vector<int> cells(256);
  for (uint64_t i = 0; i < kDraws; ++i) {
    const DrawKey first{.seed = 42, .choice = 0, .token_index = i, .lane = 0};
    const DrawKey second{.seed = first.seed + step.seed,
                         .choice = step.choice,
                         .token_index = i + step.token_index,
                         .lane = step.lane};
    const auto row = static_cast<size_t>(draw_uniform(first) * 16);
    const auto column = static_cast<size_t>(draw_uniform(second) * 16);
    ++cells.at(row * 16 + column);
  }
  double statistic = 0;
  for (const int n : cells) {
    statistic += (n - kDraws / 256.0) * (n - kDraws / 256.0) / (kDraws / 256.0);
  }
  return statistic;
}

TEST(DrawUniform, NeighbouringKeysAreUniformAndIndependent) {
  EXPECT_LT(pair_statistic({.seed = 1}), 330.5);
  EXPECT_LT(pair_statistic({.choice = 1}), 330.5);
  EXPECT_LT(pair_statistic({.token_index = 1}), 330.5);
  EXPECT_LT(pair_statistic({.lane = 1}), 330.5);
}

}  // namespace
}  // namespace quern
