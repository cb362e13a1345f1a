// Microseconds per sampled token, for the vocabularies of SmolLM2 (49152) and Qwen2.5 (151936).
#include <benchmark/benchmark.h>

#include <cstdint>
#include <random>
#include <vector>

#include "sampling/sampler.h"

namespace quern {
namespace {

// Normal logits with a few dozen likely tokens, as a language model's head gives them.
std::vector<float> model_like_logits(size_t n) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal(0.0F, 2.5F);
  std::vector<float> logits(n);
  for (size_t i = 0; i < n; ++i) {
    logits[i] = normal(generator) + (i % 997 == 5 ? 9.0F : 0.0F);
  }
  return logits;
}

void run(benchmark::State& state, const SamplingParams& params) {
  const auto vocab_size = static_cast<uint32_t>(state.range(0));
  const std::vector<float> logits = model_like_logits(vocab_size);
  auto sampler =
      Sampler::create(params, {.vocab_size = vocab_size, .context_length = 4096}).value();
  SamplerScratch scratch(vocab_size, 4096);
  for (int i = 0; i < 4096; ++i) {
    sampler.accept(TokenId{i * 37 % 1000});
  }
  uint64_t index = 0;
  for (const auto _ : state) {
    benchmark::DoNotOptimize(
        sampler.sample({.logits = logits, .token_index = index++}, scratch)->token);
  }
}

void greedy(benchmark::State& state) {
  SamplingParams params;
  params.temperature = 0;
  run(state, params);
}

void top_k_top_p(benchmark::State& state) {
  SamplingParams params;
  params.temperature = 0.8F;
  params.top_k = 40;
  params.top_p = 0.9F;
  run(state, params);
}

void temperature_only(benchmark::State& state) {
  SamplingParams params;
  params.temperature = 0.8F;
  run(state, params);
}

void top_p_only(benchmark::State& state) {
  SamplingParams params;
  params.top_p = 0.9F;
  run(state, params);
}

void typical(benchmark::State& state) {
  SamplingParams params;
  params.typical_p = 0.9F;
  run(state, params);
}

void top_k_penalties_dry(benchmark::State& state) {
  SamplingParams params;
  params.top_k = 40;
  params.repetition_penalty = 1.1F;
  params.dry_multiplier = 0.8F;
  run(state, params);
}

void logprobs_20(benchmark::State& state) {
  SamplingParams params;
  params.n_logprobs = 20;
  run(state, params);
}

void vocabularies(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(49152)->Arg(151936)->Unit(benchmark::kMicrosecond);
}

BENCHMARK(greedy)->Apply(vocabularies);
BENCHMARK(top_k_top_p)->Apply(vocabularies);
BENCHMARK(temperature_only)->Apply(vocabularies);
BENCHMARK(top_p_only)->Apply(vocabularies);
BENCHMARK(typical)->Apply(vocabularies);
BENCHMARK(top_k_penalties_dry)->Apply(vocabularies);
BENCHMARK(logprobs_20)->Apply(vocabularies);

}  // namespace
}  // namespace quern
