// Steps of an engine do not allocate once its vectors have grown. This file replaces operator new
// for its program to count.
#include "engine_thread_fixture.h"
#include "support/count_allocations.h"

namespace quern {
namespace {

// Allocations of all steps but the first and the last, of eight requests together.
uint64_t run(Engine& engine, uint32_t first) {
  uint32_t n_tokens = 0;
  for (uint32_t i = 0; i < 8; ++i) {
    Request r;
    for (uint32_t k = 0; k < 30; ++k) {
      r.prompt.push_back(TokenId{static_cast<int32_t>(3 + (first + i * 37 + k) % 250)});
    }
    r.max_tokens = 40;
    r.sampling.top_k = 40;
    r.sampling.top_p = 0.9F;
    r.sampling.repetition_penalty = 1.1F;
    r.sampling.seed = i;
    r.on_event = [&n_tokens](const TokenEvent& event) {
      n_tokens += event.token != kNoToken ? 1 : 0;
    };
    EXPECT_TRUE(engine.submit(std::move(r)).has_value());
  }
  engine.step();
  const uint64_t n_before = n_allocations;
  for (int i = 0; i < 30; ++i) {
    engine.step();
  }
  const uint64_t n_counted = n_allocations - n_before;
  EXPECT_GT(n_tokens, 100U);
  while (engine.step()) {
  }
  return n_counted;
}

TEST_F(EngineThreadTest, StepsDoNotAllocateInTheSteadyState) {
  auto model = LoadedModel::load(
      {.path = path(), .n_threads = 1, .max_batch_tokens = 64, .max_seqs = 8}, Log());
  ASSERT_TRUE(model.has_value());
  loaded = std::move(*model);
  auto engine = Engine::create(*loaded, {.max_context = 128, .max_seqs = 8});
  ASSERT_TRUE(engine.has_value());
  run(**engine, 0);
  EXPECT_EQ(run(**engine, 100), 0U);
}

}  // namespace
}  // namespace quern
