// What a run of a model will take in memory, computed from its header alone.
#pragma once

#include <cstdint>

#include "gguf/model_card.h"

namespace quern {

struct MemoryEstimate {
  uint64_t n_ctx = 0;          // tokens that the KV figure is for
  uint64_t weights_bytes = 0;  // all tensors as stored
  uint64_t kv_bytes = 0;       // keys and values of n_ctx tokens in every layer
};

// Bytes of one token's keys and values over all layers, `element_bytes` (2: f16) for each number; 0
// where the card does not tell the sizes.
uint64_t kv_bytes_per_token(const ModelCard& card, uint64_t element_bytes = 2);

// For a context of `n_ctx` tokens; 0 means the model's own context length. The card must have
// passed validate_card.
MemoryEstimate estimate_memory(const ModelCard& card, uint64_t n_ctx = 0);

}  // namespace quern
