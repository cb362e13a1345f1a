#include "base/retry.h"

#include <gtest/gtest.h>

#include <vector>

namespace quern {
namespace {

constexpr RetryPolicy kPolicy = {.max_attempts = 6, .first_delay_ms = 100, .max_delay_ms = 700};

// Fails so often with this error before it succeeds; writes down how long it would have slept.
struct Trial {
  uint32_t n_faults = 0;
  ErrorKind kind = ErrorKind::io;
  uint32_t n_attempts = 0;
  std::vector<int64_t> slept = {};

  Retried<int> run(const RetryPolicy& policy, size_t max_sleeps = 100) {
    const auto attempt = [&]() -> Result<int> {
      if (n_attempts++ < n_faults) {
        return fail({.kind = kind, .where = "test", .what = "fault", .expected = ""});
      }
      return 42;
    };
    const auto sleep = [&](int64_t delay_ms) {
      slept.push_back(delay_ms);
      return slept.size() <= max_sleeps;
    };
    return retry(policy, attempt, sleep);
  }
};

TEST(Retry, OnlyFaultsOfTheMachineArePassing) {
  EXPECT_TRUE(is_transient(ErrorKind::out_of_memory));
  EXPECT_TRUE(is_transient(ErrorKind::io));
  EXPECT_TRUE(is_transient(ErrorKind::device));
  for (const ErrorKind kind : {ErrorKind::invalid_input, ErrorKind::not_found,
                               ErrorKind::unsupported, ErrorKind::usage, ErrorKind::cancelled}) {
    EXPECT_FALSE(is_transient(kind));
  }
}

TEST(Retry, DelaysDoubleUpToTheirBound) {
  Trial trial{.n_faults = 5};
  const auto done = trial.run(kPolicy);
  EXPECT_EQ(done.result, 42);
  EXPECT_EQ(done.n_retries, 5U);
  EXPECT_EQ(trial.slept, (std::vector<int64_t>{100, 200, 400, 700, 700}));
}

TEST(Retry, GivesUpAfterTheLastAttemptWithItsError) {
  Trial trial{.n_faults = 100, .kind = ErrorKind::out_of_memory};
  const auto done = trial.run(kPolicy);
  ASSERT_FALSE(done.result.has_value());
  EXPECT_EQ(done.result.error().kind, ErrorKind::out_of_memory);
  EXPECT_EQ(trial.n_attempts, 6U);
  EXPECT_EQ(done.n_retries, 5U);
  EXPECT_EQ(trial.slept.size(), 5U);
}

TEST(Retry, DoesNotTryAgainWhatWouldOnlyFailAgain) {
  Trial trial{.n_faults = 1, .kind = ErrorKind::invalid_input};
  EXPECT_FALSE(trial.run(kPolicy).result.has_value());
  EXPECT_EQ(trial.n_attempts, 1U);
  EXPECT_TRUE(trial.slept.empty());
}

TEST(Retry, EndsWhenTheSleeperWantsToStop) {
  Trial trial{.n_faults = 100};
  const auto done = trial.run(kPolicy, 1);
  EXPECT_FALSE(done.result.has_value());
  EXPECT_EQ(trial.n_attempts, 2U);
  EXPECT_EQ(done.n_retries, 1U);
}

TEST(Retry, ExtremePoliciesStayInRange) {
  const RetryPolicy endless{.max_attempts = UINT32_MAX,
                            .first_delay_ms = 1,
                            .max_delay_ms = std::numeric_limits<int64_t>::max()};
  EXPECT_EQ(endless.delay_ms(ErrorKind::io, 63), int64_t{1} << 62);
  EXPECT_EQ(endless.delay_ms(ErrorKind::io, 1'000'000), std::numeric_limits<int64_t>::max());
  EXPECT_EQ((RetryPolicy{.max_attempts = 0}).delay_ms(ErrorKind::io, 1), std::nullopt);
}

}  // namespace
}  // namespace quern
