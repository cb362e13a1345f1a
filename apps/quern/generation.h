// How answers are drawn: the flags of `quern run`, which /set changes in the REPL, and the defaults
// behind them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "engine/loaded_model.h"
#include "sampling/sampling_params.h"

namespace quern::app {

// What is absent comes from the model's file, or else from the defaults of the command line.
struct GenerationFlags {
  std::optional<float> temperature;
  std::optional<int32_t> top_k;
  std::optional<float> top_p;
  std::optional<float> min_p;
  std::optional<float> repeat_penalty;
  std::optional<uint64_t> seed;        // absent: drawn anew for each answer
  std::optional<uint32_t> max_tokens;  // absent: until the context is full
  std::vector<std::string> stop;
  bool ignore_eos = false;
};

// 0 to 2^64-1; -1 is none given, as llama.cpp's users write it. An error for anything else.
Status set_seed(std::string_view text, std::optional<uint64_t>& seed);

// `flags` must live as long as the command.
void add_generation_flags(CLI::App& command, GenerationFlags& flags);

// How the user wrote what is checked: --top-p on the command line, top_p after /set.
enum class Spelling { flags, settings };

// A usage error that names the first value out of range.
Status check(const GenerationFlags& flags, Spelling spelling);

// The flags over the file's general.sampling.* over temperature 0.8, top_k 40, top_p 0.9. The seed
// is the given one, or drawn.
SamplingParams sampling_params(const GenerationFlags& flags, const LoadedModel& model);

}  // namespace quern::app
