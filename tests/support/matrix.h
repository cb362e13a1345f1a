// Random operands and a packed matrix for tests of kernels and backends.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernel_table.h"

namespace quern::test {

// `n` numbers from a normal-looking distribution; the same for the same seed everywhere.
std::vector<float> random_floats(size_t n, uint64_t seed, float scale = 1.0F);

// [n_rows, n_columns] random weights in the file's format.
std::vector<std::byte> random_weights(DType dtype, uint32_t n_rows, uint32_t n_columns);

struct PackedWeights {
  std::vector<std::byte> storage;
  const std::byte* data = nullptr;  // 64-byte aligned
};
PackedWeights pack(const KernelTable& table, DType dtype, uint32_t n_rows, uint32_t n_columns,
                   const std::vector<std::byte>& weights);

struct MatmulCase {
  DType dtype = DType::f32;
  uint32_t n_rows = 0;
  uint32_t n_columns = 0;
  uint32_t n_tokens = 0;
  bool paired = false;  // see PrepareArgs; for formats of blocks
};
// out [n_tokens, n_rows] = x [n_tokens, n_columns] * weights^T (+ bias), through prepare and matmul
// of `table`.
std::vector<float> run_matmul(const KernelTable& table, const MatmulCase& shape,
                              const PackedWeights& weights, const std::vector<float>& x,
                              const float* bias = nullptr);

// Every type with kernels.
std::vector<DType> kernel_dtypes();

// The tables this machine can run, scalar first.
std::vector<const KernelTable*> runnable_tables();

}  // namespace quern::test
