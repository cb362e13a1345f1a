// Steps do not allocate once the vectors have grown. This file replaces operator new for its
// program to count.
#include <atomic>
#include <cstdlib>
#include <new>

#include "scheduler_fixture.h"

// The analyser does not see that these replacements pair malloc with free.
// Nor does gcc once it has inlined one of the two only, hence noinline.
// NOLINTBEGIN(clang-analyzer-cplusplus.NewDelete)
namespace {
std::atomic<uint64_t> n_allocations{0};
}

[[gnu::noinline]] void* operator new(size_t n_bytes) {
  ++n_allocations;
  void* const memory = std::malloc(n_bytes);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}
// std::stable_sort takes its buffer by this one.
[[gnu::noinline]] void* operator new(size_t n_bytes, const std::nothrow_t& /*tag*/) noexcept {
  ++n_allocations;
  return std::malloc(n_bytes);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
// NOLINTEND(clang-analyzer-cplusplus.NewDelete)

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
