#include "gguf/memory_estimate.h"

namespace quern {
namespace {

uint64_t arch_u64(const ModelCard& card, std::string_view suffix, uint64_t otherwise) {
  const MetaValue* value = card.find_arch(suffix);
  return value == nullptr ? otherwise : value->as_u64().value_or(otherwise);
}

// Key-value heads of all layers together: as many as query heads where the file does not say.
uint64_t n_kv_heads_in_all_layers(const ModelCard& card) {
  const MetaValue* value = card.find_arch("attention.head_count_kv");
  if (value == nullptr) {
    value = card.find_arch("attention.head_count");
  }
  if (value == nullptr) {
    return 0;
  }
  if (!value->is_array()) {
    return value->as_u64().value_or(0) * arch_u64(card, "block_count", 0);
  }
  uint64_t sum = 0;
  const auto per_layer = value->as_i64s();
  for (size_t i = 0; per_layer && i < per_layer->size(); ++i) {
    sum += static_cast<uint64_t>((*per_layer)[i]);
  }
  return sum;
}

// embedding_length / head_count, or 0.
uint64_t default_head_dim(const ModelCard& card) {
  const uint64_t n_heads = arch_u64(card, "attention.head_count", 0);
  return n_heads == 0 ? 0 : arch_u64(card, "embedding_length", 0) / n_heads;
}

}  // namespace

uint64_t kv_bytes_per_token(const ModelCard& card, uint64_t element_bytes) {
  // validate_card bounds each factor: 2^10 layers * 2^14 heads * 2^21 elements * 2^3 bytes.
  const uint64_t head_dim = default_head_dim(card);
  const uint64_t n_elements = arch_u64(card, "attention.key_length", head_dim) +
                              arch_u64(card, "attention.value_length", head_dim);
  return n_kv_heads_in_all_layers(card) * n_elements * element_bytes;
}

MemoryEstimate estimate_memory(const ModelCard& card, uint64_t n_ctx) {
  MemoryEstimate estimate;
  estimate.n_ctx = n_ctx != 0 ? n_ctx : arch_u64(card, "context_length", 0);
  estimate.weights_bytes = card.tensor_bytes();
  const uint64_t per_token = kv_bytes_per_token(card);
  // The product may exceed 64 bits only for a card that no machine could run.
  if (__builtin_mul_overflow(per_token, estimate.n_ctx, &estimate.kv_bytes)) {
    estimate.kv_bytes = UINT64_MAX;
  }
  return estimate;
}

}  // namespace quern
