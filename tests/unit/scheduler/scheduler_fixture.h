// SchedulerTest: a scheduler with its pool and cache, and short names for one step.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "scheduler/scheduler.h"

namespace quern {

inline constexpr TokenId kSampled{1000};

// first, first + 1, ...: prompts that start at different numbers share nothing.
inline std::vector<TokenId> prompt_of(uint32_t n_tokens, int32_t first = 0) {
  std::vector<TokenId> tokens(n_tokens);
  for (TokenId& token : tokens) {
    token = TokenId{first++};
  }
  return tokens;
}

class SchedulerTest : public ::testing::Test {
 protected:
  struct Setup {
    uint32_t n_blocks = 64;
    SchedulerConfig config;
    bool cache = true;
  };

  void set_up(const Setup& setup) {
    // What borrows the pool goes before it.
    scheduler.reset();
    cache.reset();
    pool = std::make_unique<BlockPool>(setup.n_blocks);
    cache = std::make_unique<PrefixCache>(
        *pool, PrefixCacheConfig{.n_block_tokens = kKvBlockTokens, .enabled = setup.cache});
    Result<Scheduler> created = Scheduler::create(setup.config, *pool, *cache);
    ASSERT_TRUE(created) << created.error().to_string();
    scheduler = std::make_unique<Scheduler>(std::move(*created));
  }

  // "seq:position+rows ..." of the next step, for instance "1:20+1 2:0+12"; "" without work.
  std::string plan(int64_t now_us = 0) {
    scheduler->schedule(now_us, batch);
    std::string text;
    for (const BatchSequence& s : batch.sequences) {
      fmt::format_to(std::back_inserter(text), "{}{}:{}+{}", text.empty() ? "" : " ", value(s.seq),
                     s.position, s.n_rows);
    }
    return text;
  }

  // Every sequence whose last row was computed gets kSampled.
  void commit(int64_t now_us = 0) {
    results.clear();
    for (const BatchSequence& s : batch.sequences) {
      const Sequence* const sequence = scheduler->find(s.seq);
      if (sequence != nullptr && s.position + s.n_rows == sequence->n_tokens()) {
        results.push_back({.seq = s.seq, .token = kSampled});
      }
    }
    scheduler->commit(results, now_us);
    const Status status = scheduler->check();
    ASSERT_TRUE(status) << status.error().to_string();
  }

  std::string step(int64_t now_us = 0) {
    std::string text = plan(now_us);
    commit(now_us);
    return text;
  }

  // "seq:reason/cause ..." of what ended since the last call.
  std::string ended() {
    scheduler->take_finished(finished);
    std::string text;
    for (const SequencePtr& s : finished) {
      fmt::format_to(std::back_inserter(text), "{}{}:{}/{}", text.empty() ? "" : " ", value(s->id),
                     to_string(s->finish_reason), to_string(s->finish_cause));
    }
    return text;
  }

  const Sequence& seq(uint64_t id) const { return *scheduler->find(SeqId{id}); }

  std::unique_ptr<BlockPool> pool;
  std::unique_ptr<PrefixCache> cache;
  std::unique_ptr<Scheduler> scheduler;
  Batch batch;
  std::vector<StepResult> results;
  std::vector<SequencePtr> finished;
};

}  // namespace quern
