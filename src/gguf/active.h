// What of a model one token is computed with: everything, but of experts only those that it uses.
#pragma once

#include <cstdint>

#include "gguf/model_card.h"

namespace quern {

// True for the matrices of experts: "blk.3.ffn_gate_exps.weight", or "blk.3.ffn_gate.5.weight" in
// older files. A router, and what is shared by all tokens, are none.
bool is_expert_tensor(const TensorInfo& tensor);

// Of the tensor's `n` elements or bytes, those that a token is computed with, on average.
uint64_t active_part(const ModelCard& card, const TensorInfo& tensor, uint64_t n);

// Elements of all tensors that a token is computed with, the whole embedding included.
uint64_t n_active_parameters(const ModelCard& card);

}  // namespace quern
