// Every part of a run is done once, whoever does it, and a run ends only when all of it is done.
#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <system_error>
#include <vector>

namespace quern {
namespace {

TEST(ThreadPool, DoesEveryPartOfEveryRunOnce) {
  // More members than most machines have cores: some are always late.
  for (const uint32_t n_threads : {1U, 2U, 3U, 8U, 32U}) {
    ThreadPool pool(n_threads);
    std::vector<uint32_t> n_done(n_threads);
    for (uint32_t run = 1; run <= 500; ++run) {
      pool.run([&](uint32_t part) { ++n_done[part]; });
      ASSERT_EQ(n_done, std::vector<uint32_t>(n_threads, run)) << n_threads << " threads";
    }
  }
}

// Stacks larger than the address space: no thread can be started, and none is left behind.
TEST(ThreadPool, SaysThatAThreadCannotBeStarted) {
  pthread_attr_t usual;
  pthread_attr_t huge;
  ASSERT_EQ(pthread_getattr_default_np(&usual), 0);
  ASSERT_EQ(pthread_attr_init(&huge), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&huge, size_t{1} << 50U), 0);
  ASSERT_EQ(pthread_setattr_default_np(&huge), 0);
  std::string message;
  try {
    const ThreadPool pool(8);
  } catch (const std::system_error& error) {
    message = error.what();
  }
  ASSERT_EQ(pthread_setattr_default_np(&usual), 0);
  EXPECT_NE(message.find("thread 2 of 8 cannot be started; expected fewer (--threads)"),
            std::string::npos)
      << message;
}

// The sum 1 + 2 + ... + n in closed form, after as many runs that each need the last one's result.
TEST(ThreadPool, ARunSeesAllThatTheOneBeforeWrote) {
  constexpr uint64_t kRuns = 1000;
  ThreadPool pool(4);
  std::vector<uint64_t> even(4);
  std::vector<uint64_t> odd(4);
  for (uint64_t run = 1; run <= kRuns; ++run) {
    const std::vector<uint64_t>& from = run % 2 == 0 ? even : odd;
    std::vector<uint64_t>& to = run % 2 == 0 ? odd : even;
    pool.run([&](uint32_t part) { to[part] = from[(part + 1) % 4] + run; });
  }
  for (const uint64_t sum : odd) {
    EXPECT_EQ(sum, kRuns * (kRuns + 1) / 2);
  }
}

TEST(ThreadPool, SleepingMembersWakeForTheNextRun) {
  ThreadPool pool(3);
  uint32_t n_runs = 0;
  for (uint32_t burst = 0; burst < 20; ++burst) {
    // Longer than members spin.
    uint64_t busy = 0;
    for (uint64_t i = 0; i < 2'000'000; ++i) {
      busy += i ^ n_runs;
    }
    EXPECT_NE(busy, 0U);
    std::vector<uint32_t> parts(3);
    pool.run([&](uint32_t part) { parts[part] = part + 1; });
    n_runs += std::accumulate(parts.begin(), parts.end(), 0U) / 6;
  }
  EXPECT_EQ(n_runs, 20U);
}

}  // namespace
}  // namespace quern
