// Expected values are counts over seconds, by hand.
#include "engine/drain_rate.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

constexpr int64_t kSecond = 1'000'000;

// 5 requests a second for n seconds; returns the time after them.
int64_t drain(DrainRate& rate, int64_t n_seconds) {
  int64_t now = 100 * kSecond;
  for (int64_t i = 0; i < n_seconds * 5; ++i, now += kSecond / 5) {
    rate.add_drained(now, 1);
  }
  return now;
}

TEST(DrainRate, CountsOverTheLastSecondsOnly) {
  DrainRate rate;
  EXPECT_EQ(rate.drained_per_s(0), 0.0);
  const int64_t now = drain(rate, 30);
  EXPECT_NEAR(rate.drained_per_s(now), 5.0, 0.1);
  EXPECT_NEAR(rate.drained_per_s(now + 5 * kSecond), 20.0 / 9, 0.1);
  EXPECT_EQ(rate.drained_per_s(now + 20 * kSecond), 0.0);
}

TEST(DrainRate, AYoungEngineIsMeasuredOverItsOwnTime) {
  DrainRate rate;
  EXPECT_NEAR(rate.drained_per_s(drain(rate, 2)), 5.0, 0.1);
}

TEST(DrainRate, RetryIsBehindOthersWhoWereTurnedAway) {
  DrainRate rate;
  const int64_t now = drain(rate, 30);
  EXPECT_EQ(rate.retry_after_s(now, 1000), 1U);
  for (int i = 0; i < 99; ++i) {
    rate.add_refused(now);
  }
  EXPECT_EQ(rate.retry_after_s(now, 1000), 20U) << "100 places at 5 a second";
  EXPECT_EQ(rate.retry_after_s(now, 64), 7U) << "half of the queue is gone by then";
}

TEST(DrainRate, RetryIsBoundedWithoutAMeasurement) {
  DrainRate rate;
  EXPECT_EQ(rate.retry_after_s(0, 0), 1U);
  rate.add_refused(0);
  EXPECT_EQ(rate.retry_after_s(0, 8), DrainRate::kMostRetryS);
}

}  // namespace
}  // namespace quern
