#include "engine/memory_need.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/kernel_table.h"
#include "model/activation_estimate.h"
#include "scheduler/sequence.h"

namespace quern {
namespace {

// A context that only the model's file asks for may be lowered this far rather than evict others.
constexpr uint64_t kLeastContext = 4096;
constexpr uint64_t kRoomShare = 2;

}  // namespace

uint64_t kv_block_bytes(const ModelConfig& config, KvDType dtype) {
  return 2 * uint64_t{config.n_layers} * config.n_kv_heads * kv_head_bytes(dtype, config.head_dim);
}

Result<MemoryNeed> memory_need(const ModelCard& card, const EngineConfig& config,
                               uint32_t max_batch_tokens) {
  QUERN_ASSIGN(const ModelConfig model, read_model_config(card));
  const TensorInfo* embedding = card.find_tensor("token_embd.weight");
  const uint64_t vocab_size =
      embedding == nullptr || embedding->shape.n_dims() == 0 ? 0 : embedding->shape[0];
  MemoryNeed need;
  need.weights_bytes = card.tensor_bytes();
  need.activations_bytes =
      estimate_activation_bytes(model, {.n_rows = max_batch_tokens, .vocab_size = vocab_size});
  need.block_bytes = kv_block_bytes(model, config.kv_dtype);
  if (config.kv_bytes != 0) {
    need.n_most_blocks = need.n_least_blocks = config.kv_bytes / need.block_bytes;
    if (need.n_most_blocks < 2) {
      return fail(
          {.kind = ErrorKind::out_of_memory,
           .where = "engine",
           .what = fmt::format("{} bytes for keys and values hold less than two blocks of {}",
                               config.kv_bytes, need.block_bytes),
           .expected = fmt::format("at least {} (--kv-bytes)", 2 * need.block_bytes)});
    }
    return need;
  }
  const uint64_t context = config.max_context != 0 ? config.max_context : model.max_context;
  const uint64_t least = config.max_context != 0 ? context : std::min(context, kLeastContext);
  need.n_most_blocks = uint64_t{std::max(1U, config.max_seqs)} * n_kv_blocks(context) + 1;
  need.n_least_blocks = uint64_t{n_kv_blocks(least)} + 1;  // one for a block being filled
  return need;
}

std::optional<uint64_t> kv_pool_bytes(const MemoryNeed& need, uint64_t free_bytes) {
  if (need.least_bytes() > free_bytes) {
    return std::nullopt;
  }
  const uint64_t room = free_bytes - need.weights_bytes - need.activations_bytes;
  const uint64_t share = room / kRoomShare / need.block_bytes;
  return std::clamp(share, need.n_least_blocks, need.n_most_blocks) * need.block_bytes;
}

}  // namespace quern
