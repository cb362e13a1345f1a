#include "engine/engine_metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "engine/step_watch.h"

namespace quern {
namespace {

// "le" of Prometheus' exposition format: a bound belongs to the bucket below it.
TEST(Histogram, CountsBelowAndAtEachBound) {
  Histogram histogram(std::array{0.1, 1.0, 10.0});
  for (const double value : {0.05, 0.1, 0.5, 1.0, 9.0, 11.0, 12.0}) {
    histogram.observe(value);
  }
  histogram.observe(std::nan(""));
  const Histogram::Snapshot snapshot = histogram.snapshot();
  EXPECT_EQ(snapshot.bounds, (std::vector<double>{0.1, 1.0, 10.0}));
  EXPECT_EQ(snapshot.counts, (std::vector<uint64_t>{2, 2, 1, 2}));
  EXPECT_EQ(snapshot.count, 7U);
  EXPECT_DOUBLE_EQ(snapshot.sum, 0.05 + 0.1 + 0.5 + 1.0 + 9.0 + 11.0 + 12.0);
}

TEST(Histogram, LosesNothingBetweenThreads) {
  Histogram histogram(std::array{1.0});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        histogram.observe(0.5);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(histogram.snapshot().count, 4000U);
  EXPECT_EQ(histogram.snapshot().sum, 2000.0);
}

TEST(StepWatch, AStepIsStuckAfterItsTimeAndReportedOnce) {
  StepWatch watch(1000);
  EXPECT_EQ(watch.age_us(5'000), 0);
  watch.begin(10'000);
  EXPECT_EQ(watch.age_us(10'400), 400);
  EXPECT_FALSE(watch.is_stuck(11'000));
  EXPECT_FALSE(watch.claim_report(11'000));
  EXPECT_TRUE(watch.is_stuck(11'001));
  EXPECT_TRUE(watch.claim_report(11'001));
  EXPECT_FALSE(watch.claim_report(12'000));
  watch.end();
  EXPECT_FALSE(watch.is_stuck(99'000));
  watch.begin(100'000);
  EXPECT_TRUE(watch.claim_report(102'000)) << "the next stuck step is told again";
}

}  // namespace
}  // namespace quern
