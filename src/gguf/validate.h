// Checks of what a model's metadata says, beyond its structure: known keys have the right type and
// sane values, so that the layers above can rely on them without looking twice.
#pragma once

#include "base/result.h"
#include "gguf/model_card.h"

namespace quern {

// What a hyper-parameter may be at most, here and for all layers above: ten times and more what
// published models have, except where noted. Each bound keeps products of a few of them far below
// 2^63.
namespace model_limits {
inline constexpr int64_t kContext = 1 << 26;
inline constexpr int64_t kWidth = 1 << 20;
inline constexpr int64_t kHidden = 1 << 20;
inline constexpr int64_t kHeads = 1 << 14;
inline constexpr int64_t kHeadDim = 1024;  // twice that of published models; KV kernels rely on it
inline constexpr int64_t kLayers = 1024;
inline constexpr int64_t kExperts = 1 << 14;
inline constexpr int64_t kExpertsUsed = 256;  // by one token
}  // namespace model_limits

// Hyper-parameters: counts in range, heads divide, eps finite and positive, rope dimensions even,
// per-layer arrays as long as block_count. Tokenizer: lengths and types of its arrays, byte tokens,
// special ids in range. Absent keys pass: what an architecture needs is for the model layer to ask.
// The shapes of tensors are checked there too. Errors name the key.
Status validate_card(const ModelCard& card);

namespace detail {
Status validate_hyper_parameters(const ModelCard& card);
Status validate_tokenizer(const ModelCard& card);
}  // namespace detail

}  // namespace quern
