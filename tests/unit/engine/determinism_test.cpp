// The oracle of all serving tests: whatever happens around it, a seeded request answers as it does
// alone, on a fresh engine with one thread and no prefix cache.
#include <random>

#include "engine/sampling_defaults.h"
#include "engine_thread_fixture.h"
#include "support/golden.h"

namespace quern {
namespace {

constexpr uint32_t kNRequests = 24;
constexpr uint32_t kContext = 176;  // the longest prompt and answer

struct Scene {
  std::filesystem::path model;
  uint32_t n_words = 0;     // tokens that prompts are made of: [3, n_words)
  uint64_t pool_bytes = 0;  // far less than the requests want
  // What ignore_eos bans; whether one would be drawn differs between instruction sets.
  std::vector<TokenId> end_tokens = {};
};

// The settings in turn; every chain of sampler.h comes by.
SamplingParams sampling(uint32_t i) {
  SamplingParams p;
  p.seed = 7000 + i;
  p.temperature = i % 6 == 0 ? 0.0F : 0.9F;
  switch (i % 6) {
    case 1:
      p.top_k = 20;
      p.n_logprobs = 4;
      break;
    case 2:
      p.top_p = 0.8F;
      p.repetition_penalty = 1.2F;
      break;
    case 3:
      p.mirostat = Mirostat::v2;
      break;
    case 4:
      p.dry_multiplier = 0.8F;
      p.min_p = 0.02F;
      break;
    case 5:
      p.xtc_probability = 0.5F;
      p.presence_penalty = 0.5F;
      p.n_logprobs = 2;
      break;
    default:
      p.n_logprobs = 0;
      break;
  }
  return p;
}

Request scene_request(const Scene& scene, uint32_t i, Answer& answer) {
  Request r;
  std::mt19937 draw(i);
  // A third shares a long prefix, of which the cache makes use.
  const uint32_t n_shared = i % 3 == 0 ? 60 : 0;
  const uint32_t n_prompt = n_shared + 10 + 7 * (i % 9);
  for (uint32_t k = 0; k < n_prompt; ++k) {
    const auto number = static_cast<uint32_t>(k < n_shared ? k * 17 : draw());
    r.prompt.push_back(TokenId{static_cast<int32_t>(3 + number % (scene.n_words - 3))});
  }
  r.sampling = sampling(i);
  r.sampling.ignore_eos = true;
  r.sampling.end_tokens = scene.end_tokens;
  r.max_tokens = 30 + i % 11;
  r.priority = static_cast<int32_t>(i % 4) * 5 - 10;
  r.choice_index = i % 2;
  r.on_event = [&answer](const TokenEvent& event) { answer.take(event); };
  return r;
}

std::unique_ptr<LoadedModel> load(const Scene& scene, uint32_t n_threads) {
  auto loaded = LoadedModel::load(
      {.path = scene.model, .n_threads = n_threads, .max_batch_tokens = 40, .max_seqs = 8}, Log());
  EXPECT_TRUE(loaded.has_value()) << loaded.error().to_string();
  return std::move(*loaded);
}

void run_alone(const Scene& scene, uint32_t i, Answer& answer) {
  const auto loaded = load(scene, 1);
  const auto engine =
      Engine::create(*loaded, {.max_context = kContext, .max_seqs = 1, .prefix_cache = false});
  ASSERT_TRUE(engine.has_value());
  ASSERT_TRUE((*engine)->submit(scene_request(scene, i, answer)).has_value());
  while ((*engine)->step()) {
  }
  ASSERT_EQ(answer.ended().finish, FinishReason::length);
}

// Cancelled ones end with a beginning of their lone run.
void expect_same(const Answer& together, const Answer& alone, uint32_t i) {
  ASSERT_LE(together.tokens.size(), alone.tokens.size()) << i;
  const bool whole = together.finish == FinishReason::length;
  EXPECT_TRUE(whole || together.finish == FinishReason::cancelled) << i << together.error;
  const size_t n = whole ? alone.tokens.size() : together.tokens.size();
  EXPECT_EQ(together.tokens, std::vector(alone.tokens.begin(),
                                         alone.tokens.begin() + static_cast<std::ptrdiff_t>(n)))
      << "request " << i;
  if (whole) {
    EXPECT_EQ(together.text, alone.text) << i;
    EXPECT_EQ(together.logprobs, alone.logprobs) << i;
  }
}

void expect_lone_answers(Scene scene) {
  const auto loaded = load(scene, 2);
  scene.end_tokens = end_tokens(loaded->tokenizer());
  std::vector<Answer> alone(kNRequests);
  for (uint32_t i = 0; i < kNRequests; ++i) {
    run_alone(scene, i, alone[i]);
  }
  EngineMetrics metrics;
  auto thread = EngineThread::start(
      *loaded,
      {.engine = {.max_context = kContext, .kv_bytes = scene.pool_bytes, .max_seqs = 8},
       .step_target_ms = 1},
      metrics, Log());
  ASSERT_TRUE(thread.has_value()) << thread.error().to_string();
  std::vector<Answer> together(kNRequests);
  for (uint32_t i = 0; i < kNRequests; ++i) {
    Request r = scene_request(scene, i, together[i]);
    if (i % 8 == 5) {  // goes away in the middle of its answer
      r.on_event = [&thread, &answer = together[i]](const TokenEvent& event) {
        answer.take(event);
        if (answer.tokens.size() == 9 && !event.finish) {
          (*thread)->cancel(event.id);
        }
      };
    }
    ASSERT_TRUE((*thread)->submit(std::move(r)).has_value());
  }
  for (uint32_t i = 0; i < kNRequests; ++i) {
    expect_same(together[i].ended(), alone[i], i);
  }
  (*thread).reset();
  EXPECT_GT(metrics.n_preemptions, 0U);
  EXPECT_GT(metrics.n_cache_hits, 0U);
  EXPECT_EQ(metrics.n_finished[static_cast<size_t>(FinishReason::cancelled)], 3U);
}

TEST(Determinism, AnswersUnderPressureEqualLoneRuns) {
  const test::TempDir dir;
  const auto path = dir.path() / "tiny.gguf";
  test::write_tiny_model(path, {.dtype = DType::q4_0});
  // 24 blocks of 16 tokens: 2 layers, 4 KV heads of 32 dimensions, keys and values in f16.
  expect_lone_answers(
      {.model = path, .n_words = 250, .pool_bytes = uint64_t{24} * 2 * 2 * 4 * 32 * 16 * 2});
}

TEST(Determinism, AnswersUnderPressureEqualLoneRunsOfATrainedModel) {
  const auto path = test::golden_dir() / "stories260k" / "stories260K.gguf";
  QUERN_NEED_GOLDEN(path);
  // 24 blocks: 5 layers, 4 KV heads of 8 dimensions (its reference.json).
  expect_lone_answers(
      {.model = path, .n_words = 500, .pool_bytes = uint64_t{24} * 2 * 5 * 4 * 8 * 16 * 2});
}

}  // namespace
}  // namespace quern
