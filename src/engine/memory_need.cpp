#include "engine/memory_need.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/checked.h"
#include "kernels/kernel_table.h"
#include "model/activation_estimate.h"
#include "scheduler/sequence.h"

namespace quern {
namespace {

// A context that only the model's file asks for may be lowered this far rather than evict others.
constexpr uint64_t kLeastContext = 4096;
constexpr uint64_t kRoomShare = 2;

constexpr uint64_t kTooMuch = std::numeric_limits<uint64_t>::max();

// Of the one request that is promised: of config.max_context tokens, or of a block; and one block
// that is being filled.
uint64_t least_blocks(const EngineConfig& config) {
  return uint64_t{n_kv_blocks(std::max(config.max_context, 1U))} + 1;
}

std::unexpected<Error> pool_too_small(const EngineConfig& config, uint64_t block_bytes) {
  const uint64_t n_blocks = least_blocks(config);
  const std::string request =
      config.max_context == 0 ? "the shortest request"
                              : fmt::format("a request of {} tokens (--ctx)", config.max_context);
  return fail({.kind = ErrorKind::unsupported,
               .where = "engine",
               .what = fmt::format("{} bytes for keys and values (--kv-bytes) cannot hold {}: {} "
                                   "blocks of {} bytes",
                                   config.kv_bytes, request, n_blocks, block_bytes),
               .expected = fmt::format("--kv-bytes of at least {}",
                                       checked_mul(n_blocks, block_bytes).value_or(kTooMuch))});
}

}  // namespace

uint64_t MemoryNeed::least_pool_bytes() const {
  return checked_mul(n_least_blocks, block_bytes).value_or(kTooMuch);
}

uint64_t MemoryNeed::least_bytes() const {
  const auto sum = checked_add(weights_bytes, activations_bytes);
  return sum ? checked_add(*sum, least_pool_bytes()).value_or(kTooMuch) : kTooMuch;
}

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
  need.activations_bytes = estimate_activation_bytes(
      model, {.n_rows = std::max(max_batch_tokens, config.max_seqs), .vocab_size = vocab_size});
  need.block_bytes = kv_block_bytes(model, config.kv_dtype);
  if (config.kv_bytes != 0) {
    need.n_most_blocks = need.n_least_blocks = config.kv_bytes / need.block_bytes;
    if (need.n_most_blocks < least_blocks(config)) {
      return pool_too_small(config, need.block_bytes);
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
