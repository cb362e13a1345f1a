#include "base/fail_point.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace quern {
namespace {

std::string hits(FailPoints& points, FailPoint point, int n) {
  std::string fired;
  for (int i = 0; i < n; ++i) {
    fired += points.hit(point) ? 'x' : '.';
  }
  return fired;
}

TEST(FailPoints, NothingFailsWhereNothingIsArmed) {
  FailPoints points;
  EXPECT_EQ(hits(points, FailPoint::read, 3), "...");
  EXPECT_EQ(points.counts(FailPoint::read).n_hits, 0U);
  points.block(FailPoint::stuck_step);
  EXPECT_FALSE(fails_at(nullptr, FailPoint::read));
  block_at(nullptr, FailPoint::stuck_step);
}

TEST(FailPoints, SkipsSoManyHitsThenFailsSoMany) {
  FailPoints points;
  points.arm(FailPoint::mmap, {.after = 2, .times = 3});
  EXPECT_EQ(hits(points, FailPoint::mmap, 8), "..xxx...");
  EXPECT_EQ(points.counts(FailPoint::mmap).n_hits, 5U);
  EXPECT_EQ(points.counts(FailPoint::mmap).n_fired, 3U);
  EXPECT_EQ(hits(points, FailPoint::read, 1), ".") << "another point";
}

TEST(FailPoints, AlwaysLastsUntilItIsDisarmedAndCanBeArmedAnew) {
  FailPoints points;
  points.arm(FailPoint::read, {.times = FailPlan::kAlways});
  EXPECT_EQ(hits(points, FailPoint::read, 4), "xxxx");
  points.disarm(FailPoint::read);
  EXPECT_EQ(hits(points, FailPoint::read, 2), "..");
  points.arm(FailPoint::read, {});
  EXPECT_EQ(hits(points, FailPoint::read, 2), "x.");
}

TEST(FailPoints, NamesLeadToTheirPoints) {
  for (size_t i = 0; i < kFailPointCount; ++i) {
    const auto point = static_cast<FailPoint>(i);
    EXPECT_EQ(fail_point_named(name(point)), point);
  }
  EXPECT_EQ(name(FailPoint::nan_logits), "nan_logits");
  EXPECT_EQ(fail_point_named("nan"), std::nullopt);
}

TEST(FailPoints, AreArmedFromText) {
  FailPoints points;
  ASSERT_TRUE(points.arm_from("nan_logits:after=3,times=1;mmap;read:times=always").has_value());
  EXPECT_EQ(hits(points, FailPoint::nan_logits, 6), "...x..");
  EXPECT_EQ(hits(points, FailPoint::mmap, 3), "x..");
  EXPECT_EQ(hits(points, FailPoint::read, 3), "xxx");
  EXPECT_TRUE(points.arm_from("").has_value());
}

TEST(FailPoints, AWrongTextArmsNothingAndSaysWhatIsWrong) {
  for (const auto& [text, error] : std::vector<std::pair<std::string, std::string>>{
           {"mmap;nan",
            "[fail points] there is no fail point 'nan'; expected one of allocation, mmap, read, "
            "kernel_result, nan_logits, stuck_step"},
           {"mmap;;",
            "[fail points] there is no fail point ''; expected one of allocation, mmap, "
            "read, kernel_result, nan_logits, stuck_step"},
           {"mmap:after=-1", "[fail points] 'after=-1'; expected after=N"},
           {"mmap:after=always", "[fail points] 'after=always'; expected after=N"},
           {"mmap:times=0",
            "[fail points] 'times=0'; expected times=N with N at least 1, or times=always"},
           {"mmap:times=99999999999999999999",
            "[fail points] 'times=99999999999999999999'; expected times=N with N at least 1, or "
            "times=always"},
           {"mmap:often", "[fail points] option 'often'; expected after=N or times=N"}}) {
    FailPoints points;
    const Status status = points.arm_from(text);
    ASSERT_FALSE(status.has_value()) << text;
    EXPECT_EQ(status.error().to_string(), error);
    EXPECT_EQ(status.error().kind, ErrorKind::usage);
    EXPECT_FALSE(points.hit(FailPoint::mmap)) << text;
  }
}

TEST(FailPoints, ABlockedThreadGoesOnWhenReleased) {
  FailPoints points;
  points.arm(FailPoint::stuck_step, {.after = 1});
  std::atomic<int> n_passed = 0;
  std::thread worker([&] {
    for (int i = 0; i < 3; ++i) {
      points.block(FailPoint::stuck_step);
      ++n_passed;
    }
  });
  points.wait_until_blocked(FailPoint::stuck_step);
  EXPECT_EQ(n_passed, 1);
  points.release(FailPoint::stuck_step);
  worker.join();
  EXPECT_EQ(n_passed, 3);
  EXPECT_EQ(points.counts(FailPoint::stuck_step).n_fired, 1U);
}

TEST(FailPoints, ManyThreadsTogetherGetExactlyTheFaultsOrdered) {
  FailPoints points;
  points.arm(FailPoint::allocation, {.after = 100, .times = 50});
  std::atomic<int> n_fired = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 100; ++k) {
        n_fired += points.hit(FailPoint::allocation) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(n_fired, 50);
}

}  // namespace
}  // namespace quern
