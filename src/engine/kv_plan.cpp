#include "engine/kv_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/checked.h"
#include "scheduler/sequence.h"

namespace quern {
namespace {

// Without a wish, the pool takes at most so much of the memory that is free.
constexpr uint64_t kPoolShare = 2;

uint64_t megabytes(uint64_t n_blocks, uint64_t bytes_per_block) {
  return checked_mul(n_blocks, bytes_per_block).value_or(std::numeric_limits<uint64_t>::max()) >>
         20;
}

}  // namespace

Result<KvPlan> plan_kv(const KvWish& wish, const KvLimits& limits) {
  constexpr uint64_t kMostBlocks = std::numeric_limits<int32_t>::max();
  const uint64_t budget = wish.kv_bytes != 0 ? wish.kv_bytes : limits.available_bytes / kPoolShare;
  const uint64_t most_blocks = std::min(budget / limits.bytes_per_block, kMostBlocks);
  const uint64_t context = wish.max_context != 0 ? wish.max_context : limits.model_context;
  const uint64_t context_blocks = n_kv_blocks(context);
  // One to spare for a block being filled.
  if (most_blocks < 2 || (wish.max_context != 0 && most_blocks < context_blocks + 1)) {
    return fail(
        {.kind = ErrorKind::out_of_memory,
         .where = "engine",
         .what = fmt::format("a context of {} tokens takes {} MB, {} MB are free for it", context,
                             megabytes(context_blocks + 1, limits.bytes_per_block), budget >> 20U),
         .expected = "a shorter context (--ctx)"});
  }
  const uint64_t wanted_blocks = context_blocks * std::max(wish.max_seqs, 1U) + 1;
  const uint64_t n_blocks = wish.kv_bytes != 0 ? most_blocks : std::min(most_blocks, wanted_blocks);
  return KvPlan{
      .n_blocks = static_cast<uint32_t>(n_blocks),
      .max_context = static_cast<uint32_t>(std::min(context, (n_blocks - 1) * kKvBlockTokens))};
}

}  // namespace quern
