// Whole-model speed: prompt processing and generation, for one or many sequences, at any depth,
// beside what the machine can do, measured in the same run.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/loaded_model.h"

namespace quern {

struct BenchmarkSpec {
  uint32_t n_prompt = 0;  // tokens of a prompt, 0 when generation is measured
  uint32_t n_gen = 0;     // tokens generated, 0 when prompts are measured
  uint32_t n_depth = 0;   // tokens already in the context
  uint32_t n_seqs = 1;    // sequences together
  uint32_t n_reps = 5;
};

struct BenchmarkResult {
  std::string test;  // "pp512", "tg128", "tg128 @ d4096 x 8"
  BenchmarkSpec spec;
  std::vector<double> samples;  // tokens per second of each repetition, all sequences together
  double tokens_per_s = 0;      // the median
  double gb_per_s = 0;          // weights read (of experts, those in use), at the median
  double tops = 0;              // 10^12 multiplications and additions with weights a second
};

// What all of `n_threads` threads together reach with the kernels' own instructions.
struct MachinePeak {
  double gb_per_s = 0;
  double int8_tops = 0;
  double f32_tops = 0;
};

struct BenchmarkSetup {
  uint32_t n_threads = 1;
  std::string isa;
};
Result<MachinePeak> measure_peak(const BenchmarkSetup& setup);

// Bytes of all matrices that tokens are multiplied with, and how many of their numbers count for
// one token: of experts, those that it uses.
struct WeightCount {
  uint64_t n_bytes = 0;          // all experts included
  uint64_t n_layer_weights = 0;  // every token
  uint64_t n_head_weights = 0;   // tokens whose logits are wanted
  bool quantised = false;        // most of them
};
WeightCount count_weights(const LoadedModel& loaded);

// `progress` is told of each repetition that is done.
Result<BenchmarkResult> run_benchmark(LoadedModel& loaded, const BenchmarkSpec& spec,
                                      const std::function<void(uint32_t rep)>& progress);

}  // namespace quern
