// A layer's KV memory filled with random tokens, for tests of attention and KV writes.
#pragma once

#include <vector>

#include "kernels/kernel_table.h"

namespace quern::test {

struct KvShape {
  KvDType dtype = KvDType::f16;
  uint32_t n_kv_heads = 1;
  uint32_t head_dim = 64;
};

// Written by `table` token by token, to blocks in an order unlike the tokens'. What no token
// covers holds all ones, which is NaN as f16 and f32: a kernel that lets it through is found out.
class KvMemory {
 public:
  KvMemory(const KernelTable& table, const KvShape& shape, uint32_t n_tokens);
  KvMemory(const KvMemory&) = delete;  // layer() points into it
  KvMemory& operator=(const KvMemory&) = delete;

  KvLayer layer() const { return layer_; }
  const BlockId* blocks() const { return blocks_.data(); }
  const std::vector<std::byte>& k() const { return k_; }
  const std::vector<std::byte>& v() const { return v_; }
  // [n_tokens, n_kv_heads, head_dim] as given to kv_write.
  const std::vector<float>& k_floats() const { return k_floats_; }
  const std::vector<float>& v_floats() const { return v_floats_; }

 private:
  std::vector<BlockId> blocks_;
  std::vector<float> k_floats_;
  std::vector<float> v_floats_;
  std::vector<std::byte> k_;
  std::vector<std::byte> v_;
  KvLayer layer_;
};

}  // namespace quern::test
