#include "support/kv_memory.h"

#include "support/matrix.h"

namespace quern::test {

KvMemory::KvMemory(const KernelTable& table, const KvShape& shape, uint32_t n_tokens) {
  const uint32_t n_blocks = (n_tokens + kKvBlockTokens - 1) / kKvBlockTokens;
  for (uint32_t i = 0; i < n_blocks; ++i) {
    blocks_.push_back(static_cast<BlockId>(n_blocks - 1 - i));
  }
  const size_t token_floats = size_t{shape.n_kv_heads} * shape.head_dim;
  k_floats_ = random_floats(n_tokens * token_floats, 21);
  v_floats_ = random_floats(n_tokens * token_floats, 22);
  const size_t head_bytes = kv_head_bytes(shape.dtype, shape.head_dim);
  k_.assign(head_bytes * shape.n_kv_heads * n_blocks, std::byte{0xFF});
  v_ = k_;
  layer_ = {.k = k_.data(),
            .v = v_.data(),
            .type = shape.dtype,
            .n_kv_heads = shape.n_kv_heads,
            .head_dim = shape.head_dim,
            .head_stride = kv_head_stride(shape.dtype, shape.head_dim),
            .head_bytes = head_bytes,
            .head_pitch = head_bytes,
            .block_stride = head_bytes * shape.n_kv_heads};
  for (uint32_t token = 0; token < n_tokens; ++token) {
    table.kv_write({.layer = layer_,
                    .k = &k_floats_[token * token_floats],
                    .v = &v_floats_[token * token_floats],
                    .block = blocks_[token / kKvBlockTokens],
                    .slot = token % kKvBlockTokens});
  }
}

}  // namespace quern::test
