// Blocks hold 16 tokens (base/ids.h); the rest is arithmetic by hand.
#include "engine/kv_plan.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr KvLimits kRoomy{
    .bytes_per_block = kMiB, .model_context = 2048, .available_bytes = uint64_t{100} << 30U};

TEST(KvPlan, TheDefaultPoolHoldsEveryContextAtOnce) {
  const auto one = plan_kv({}, kRoomy);
  EXPECT_EQ(one->n_blocks, 128U + 1);
  EXPECT_EQ(one->max_context, 2048U);
  const auto many = plan_kv({.max_context = 1000, .max_seqs = 32}, kRoomy);
  EXPECT_EQ(many->n_blocks, 63U * 32 + 1);
  EXPECT_EQ(many->max_context, 1000U);
}

TEST(KvPlan, TheDefaultPoolTakesHalfOfTheMemoryAtMost) {
  KvLimits limits = kRoomy;
  limits.available_bytes = 400 * kMiB;
  const auto plan = plan_kv({.max_seqs = 32}, limits);
  EXPECT_EQ(plan->n_blocks, 200U);
  EXPECT_EQ(plan->max_context, 2048U);
}

TEST(KvPlan, TheModelsContextIsLoweredToWhatTheMemoryHolds) {
  KvLimits limits = kRoomy;
  limits.available_bytes = 100 * kMiB;
  const auto plan = plan_kv({.max_seqs = 32}, limits);
  EXPECT_EQ(plan->n_blocks, 50U);
  EXPECT_EQ(plan->max_context, 49U * 16);
}

TEST(KvPlan, AWishIsKeptOrRefused) {
  const auto wished = plan_kv({.kv_bytes = 10 * kMiB, .max_seqs = 4}, kRoomy);
  EXPECT_EQ(wished->n_blocks, 10U);
  EXPECT_EQ(wished->max_context, 9U * 16);
  const auto too_long = plan_kv({.max_context = 160, .kv_bytes = 10 * kMiB}, kRoomy);
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().kind, ErrorKind::out_of_memory);
  EXPECT_EQ(too_long.error().to_string(),
            "[engine] a context of 160 tokens takes 11 MB, 10 MB are free for it; expected a "
            "shorter context (--ctx)");
  KvLimits none = kRoomy;
  none.available_bytes = kMiB;
  EXPECT_FALSE(plan_kv({}, none));
}

}  // namespace
}  // namespace quern
