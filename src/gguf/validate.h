// Checks of what a model's metadata says, beyond its structure: known keys have the right type and
// sane values, so that the layers above can rely on them without looking twice.
#pragma once

#include "base/result.h"
#include "gguf/model_card.h"

namespace quern {

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
