// What a loaded model will take, told from its header before it is loaded, and how large a KV pool
// it gets of the memory that is free.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "engine/engine.h"
#include "gguf/model_card.h"
#include "model/model_config.h"

namespace quern {

// Bytes of kKvBlockTokens positions' keys and values in every layer.
uint64_t kv_block_bytes(const ModelConfig& config, KvDType dtype);

struct MemoryNeed {
  uint64_t weights_bytes = 0;
  uint64_t activations_bytes = 0;
  uint64_t block_bytes = 0;  // kv_block_bytes()
  // The pool: config.kv_bytes where given; else at most max_seqs requests of the full context, at
  // least one (of a context that nobody asked for, 4,096 tokens).
  uint64_t n_most_blocks = 0;
  uint64_t n_least_blocks = 0;

  // More than any machine has where the sums are beyond 64 bits.
  uint64_t least_pool_bytes() const;
  uint64_t least_bytes() const;
};

// Errors: hyper-parameters that cannot be used; a config.kv_bytes that cannot hold one request,
// which no waiting changes (unsupported, with the least that is needed).
Result<MemoryNeed> memory_need(const ModelCard& card, const EngineConfig& config,
                               uint32_t max_batch_tokens);

// The pool's bytes when `free_bytes` are free for the whole model: half of what its weights and
// activations leave, within the bounds above. None: it does not fit.
std::optional<uint64_t> kv_pool_bytes(const MemoryNeed& need, uint64_t free_bytes);

}  // namespace quern
