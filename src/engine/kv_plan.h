// How long requests may be and how many KV blocks there are: from what the user wished and what the
// machine has. Pure.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace quern {

struct KvWish {
  uint32_t max_context = 0;  // longest request; 0: the model's, lowered to what the memory holds
  uint64_t kv_bytes = 0;     // the pool; 0: max_seqs contexts, at most half of the memory available
  uint32_t max_seqs = 1;
};

struct KvLimits {
  uint64_t bytes_per_block = 1;
  uint32_t model_context = 0;
  uint64_t available_bytes = 0;
};

struct KvPlan {
  uint32_t n_blocks = 0;
  uint32_t max_context = 0;  // fits into the pool with one block to spare
};

// Errors: out_of_memory when the wished context does not fit, or nothing does.
Result<KvPlan> plan_kv(const KvWish& wish, const KvLimits& limits);

}  // namespace quern
