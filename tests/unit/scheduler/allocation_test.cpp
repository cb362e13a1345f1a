// Steps do not allocate once the vectors have grown. This file replaces operator new for its
// program to count.
#include "scheduler_fixture.h"
#include "support/count_allocations.h"

namespace quern {
namespace {

uint64_t run_to_the_end(Scheduler& scheduler, uint64_t first_id) {
  // Grown before counting, as the engine's are after its first steps.
  static Batch batch;
  static std::vector<StepResult> results(64);
  static std::vector<SequencePtr> finished(64);
  for (uint64_t i = 0; i < 8; ++i) {
    scheduler.add({.id = SeqId{first_id + i},
                   .tokens = prompt_of(40, static_cast<int32_t>(i % 4) * 100),
                   .max_tokens = 50});
  }
  const uint64_t n_before = n_allocations;
  uint64_t n_decided = 0;
  while (scheduler.schedule(0, batch)) {
    results.clear();
    for (const BatchSequence& s : batch.sequences) {
      if (s.position + s.n_rows == scheduler.find(s.seq)->n_tokens()) {
        results.push_back({.seq = s.seq, .token = kSampled});
      }
    }
    scheduler.commit(results, 0);
    n_decided += results.size();
  }
  const uint64_t n_counted = n_allocations - n_before;
  scheduler.take_finished(finished);
  EXPECT_EQ(n_decided, 8U * 50U);
  return n_counted;
}

TEST_F(SchedulerTest, StepsDoNotAllocateInTheSteadyState) {
  // 20 blocks for 8 sequences of up to 6: preemptions and evictions happen too.
  set_up({.n_blocks = 20, .config = {.max_seqs = 8, .max_batch_tokens = 64, .max_context = 96}});
  EXPECT_GT(run_to_the_end(*scheduler, 1), 0U) << "the batch grows at first";
  EXPECT_EQ(run_to_the_end(*scheduler, 100), 0U);
  EXPECT_GT(scheduler->n_preemptions(), 0U);
  EXPECT_GT(cache->n_evicted_blocks(), 0U);
}

}  // namespace
}  // namespace quern
