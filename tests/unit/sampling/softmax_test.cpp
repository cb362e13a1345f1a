#include "sampling/softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "reference.h"

namespace quern {
namespace {

// The reference is libm's exp in double precision.
TEST(ExpNonpositive, IsWithinTwoPartsInTenMillion) {
  double worst = 0;
  for (double x = -87.0; x <= 0; x += 1.0 / 4096) {
    const auto argument = static_cast<float>(x);
    const double want = std::exp(static_cast<double>(argument));
    worst = std::max(worst, std::abs(static_cast<double>(exp_nonpositive(argument)) / want - 1));
  }
  EXPECT_LT(worst, 2e-7);
}

TEST(ExpNonpositive, EndsAreExact) {
  EXPECT_EQ(exp_nonpositive(0.0F), 1.0F);
  EXPECT_EQ(exp_nonpositive(-87.5F), 0.0F);
  EXPECT_EQ(exp_nonpositive(-std::numeric_limits<float>::max()), 0.0F);
  EXPECT_EQ(exp_nonpositive(kNegInf), 0.0F);
}

TEST(ScanLogits, FindsMaximumAndItsFirstIndexAtEveryPlaceAndLength) {
  std::vector<float> block_max(4);
  for (size_t n = 1; n <= 200; n += 13) {
    for (size_t at = 0; at < n; ++at) {
      std::vector<float> logits(n, -3.0F);
      logits[at] = -1.0F;
      logits[n - 1] = -1.0F;  // a tie further on must not win
      const LogitScan scan = scan_logits(logits, block_max);
      EXPECT_EQ(scan.max, -1.0F);
      EXPECT_FALSE(scan.has_bad);
      EXPECT_EQ(first_index_of(scan.max, logits, block_max), at);
    }
  }
}

TEST(ScanLogits, SeesNanAndPlusInfinityAnywhere) {
  std::vector<float> block_max(3);
  for (const float bad : {std::nanf(""), -std::nanf(""), -kNegInf}) {
    for (size_t at = 0; at < 150; ++at) {
      std::vector<float> logits(150, 1.0F);
      std::vector<float> copy(150);
      EXPECT_FALSE(copy_has_bad(logits, copy));
      EXPECT_EQ(copy, logits);
      logits[at] = bad;
      EXPECT_TRUE(scan_logits(logits, block_max).has_bad);
      EXPECT_TRUE(copy_has_bad(logits, copy));
    }
  }
}

TEST(Softmax, SumEntropyAndMomentsEqualTheirDefinitions) {
  for (const size_t n : {1U, 2U, 63U, 64U, 65U, 1000U}) {
    std::vector<float> logits = test::random_logits(n, 7);
    if (n > 2) {
      logits[1] = kNegInf;
    }
    const test::Choices choices = test::all_choices(logits);
    double max = choices[0].logit;
    double mean = 0;
    for (const test::Choice& c : choices) {
      max = std::max(max, c.logit);
      mean += c.logit / static_cast<double>(choices.size());
    }
    double total = 0;
    double variance = 0;
    for (const test::Choice& c : choices) {
      total += std::exp((c.logit - max) / 0.7);
      variance += (c.logit - mean) * (c.logit - mean) / static_cast<double>(choices.size());
    }
    std::vector<double> sums(count_blocks(n));
    const auto top = static_cast<float>(max);
    EXPECT_NEAR(sum_weights(logits, {.max = top, .inv_temperature = 1 / 0.7F}, sums) / total, 1,
                1e-6);
    EXPECT_NEAR(softmax_entropy(logits, {.max = top}).entropy, test::ref_entropy(choices), 1e-5);
    EXPECT_NEAR(logit_moments(logits).mean, mean, 1e-5);
    EXPECT_NEAR(logit_moments(logits).stddev, std::sqrt(variance), 1e-5);
  }
}

// Weights 1, 0, 1, 2 over 4 give running shares 1/4, 1/4, 1/2, 1.
TEST(PickIndex, InvertsTheRunningSum) {
  const std::vector<float> logits = {0.0F, kNegInf, 0.0F, std::log(2.0F)};
  const Softmax softmax{.max = std::log(2.0F)};
  std::vector<double> sums(1);
  const double total = sum_weights(logits, softmax, sums);
  const WeightTable table{.logits = logits, .block_sums = sums, .total = total};
  EXPECT_EQ(pick_index(table, softmax, 0.0), 0U);
  EXPECT_EQ(pick_index(table, softmax, 0.2499), 0U);
  EXPECT_EQ(pick_index(table, softmax, 0.2501), 2U);
  EXPECT_EQ(pick_index(table, softmax, 0.4999), 2U);
  EXPECT_EQ(pick_index(table, softmax, 0.5001), 3U);
  EXPECT_EQ(pick_index(table, softmax, 1 - 0x1p-53), 3U);
}

TEST(PickIndex, NeverFallsOnAWeightOfZeroAtTheEnds) {
  std::vector<float> logits(300, kNegInf);
  logits[70] = 0.0F;
  logits[130] = -1.0F;
  const Softmax softmax{.max = 0.0F};
  std::vector<double> sums(count_blocks(logits.size()));
  const double total = sum_weights(logits, softmax, sums);
  const WeightTable table{.logits = logits, .block_sums = sums, .total = total};
  EXPECT_EQ(pick_index(table, softmax, 0.0), 70U);
  EXPECT_EQ(pick_index(table, softmax, 1 - 0x1p-53), 130U);
}

}  // namespace
}  // namespace quern
