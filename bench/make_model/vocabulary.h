// A made-up byte-level vocabulary of any size, as GPT-2's files have it.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "gguf/writer.h"

namespace quern::make_model {

// The smallest: 256 bytes and two special tokens. The largest: all merges of 2 and 3 printable
// characters besides.
inline constexpr uint32_t kMinVocab = 258;
inline constexpr uint32_t kMaxVocab = kMinVocab + 94 * 94 + 94 * 94 * 94;

// Adds the tokenizer.ggml.* keys.
Status add_vocabulary(GgufWriter& writer, uint32_t vocab_size);

}  // namespace quern::make_model
