// How answers are drawn when a request is silent: the file's general.sampling.*, else the caller's
// own customs.
#pragma once

#include "gguf/model_card.h"
#include "sampling/sampling_params.h"
#include "text/tokenizer.h"

namespace quern {

enum class SamplingCustom {
  terminal,  // `run` and Ollama's routes: temperature 0.8, top_k 40, top_p 0.9
  openai,    // temperature 1, top_p 1
};

SamplingParams sampling_defaults(const ModelCard& card, SamplingCustom custom);

// Every token that ends an answer, for SamplingParams::end_tokens.
std::vector<TokenId> end_tokens(const Tokenizer& tokenizer);

// 32 bits, so that every JSON reader keeps the number whole.
uint64_t drawn_seed();

}  // namespace quern
