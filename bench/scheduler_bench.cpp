// Microseconds of one schedule() and commit() with 64 sequences decoding, alone and beside a queue.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "scheduler/scheduler.h"

namespace quern {
namespace {

constexpr uint32_t kPromptTokens = 100;
constexpr uint32_t kContext = 4096;

struct Load {
  uint64_t next_id = 1;
  Batch batch;
  std::vector<StepResult> results;
  std::vector<SequencePtr> finished;

  void add(Scheduler& scheduler) {
    std::vector<TokenId> prompt(kPromptTokens);
    for (uint64_t i = 0; i < kPromptTokens; ++i) {
      prompt[i] = TokenId{static_cast<int32_t>((next_id + i) % 1000)};
    }
    scheduler.add({.id = SeqId{next_id++}, .tokens = std::move(prompt), .max_tokens = 2000});
  }

  void step(Scheduler& scheduler) {
    scheduler.schedule(0, batch);
    results.clear();
    for (const BatchSequence& s : batch.sequences) {
      if (s.position + s.n_rows >= kPromptTokens) {
        results.push_back({.seq = s.seq, .token = TokenId{7}});
      }
    }
    scheduler.commit(results, 0);
  }
};

// Arguments: sequences running, sequences waiting. All decode from context 100 on; a sequence that
// ends is replaced by a new one.
void schedule_and_commit(benchmark::State& state) {
  const auto n_running = static_cast<uint32_t>(state.range(0));
  const auto n_waiting = static_cast<uint32_t>(state.range(1));
  BlockPool pool(n_running * kContext / kKvBlockTokens);
  PrefixCache cache(pool, {.n_block_tokens = kKvBlockTokens, .seed = 1});
  Scheduler scheduler = *Scheduler::create(
      {.max_seqs = n_running, .max_context = kContext, .max_queue = n_running + n_waiting}, pool,
      cache);
  Load load;
  const auto fill = [&] {
    while (scheduler.running().size() + scheduler.waiting().size() < n_running + n_waiting) {
      load.add(scheduler);
    }
  };
  fill();
  for (uint32_t i = 0; i < n_running; ++i) {
    load.step(scheduler);
  }
  for (const auto _ : state) {
    load.step(scheduler);
    scheduler.take_finished(load.finished);
    fill();
  }
  state.counters["rows"] = static_cast<double>(load.batch.n_rows());
}
BENCHMARK(schedule_and_commit)
    ->Args({1, 0})
    ->Args({64, 0})
    ->Args({64, 1000})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace quern
