#include "support/matrix.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "kernels/pack.h"
#include "kernels/quantise.h"

namespace quern::test {
namespace {

std::byte* aligned(std::vector<std::byte>& storage) {
  const auto address = reinterpret_cast<uintptr_t>(storage.data());
  return storage.data() + ((address + 63) / 64 * 64 - address);
}

}  // namespace

std::vector<float> random_floats(size_t n, uint64_t seed, float scale) {
  std::mt19937_64 engine(seed);
  std::vector<float> values(n);
  for (float& value : values) {
    // The sum of four uniform numbers: bell-shaped, and equal on every platform.
    double sum = 0;
    for (int i = 0; i < 4; ++i) {
      sum += static_cast<double>(engine() >> 11) * 0x1p-53 - 0.5;
    }
    value = static_cast<float>(sum) * scale;
  }
  return values;
}

std::vector<std::byte> random_weights(DType dtype, uint32_t n_rows, uint32_t n_columns) {
  const std::vector<float> values =
      random_floats(size_t{n_rows} * n_columns, 17 + static_cast<uint64_t>(dtype));
  const size_t bytes = *row_bytes(dtype, n_columns);
  std::vector<std::byte> weights(bytes * n_rows);
  for (size_t row = 0; row < n_rows; ++row) {
    const auto status =
        quantise_row(dtype, &values[row * n_columns], &weights[row * bytes], n_columns);
    EXPECT_TRUE(status.has_value());
  }
  return weights;
}

PackedWeights pack(const KernelTable& table, DType dtype, uint32_t n_rows, uint32_t n_columns,
                   const std::vector<std::byte>& weights) {
  const size_t bytes = *row_bytes(dtype, n_columns);
  const uint32_t padded = (n_rows + table.tile_rows - 1) / table.tile_rows * table.tile_rows;
  PackedWeights packed;
  packed.storage.resize(padded * bytes + 4096);
  std::byte* data = aligned(packed.storage);
  for (uint32_t row = 0; row < padded; row += table.panel_rows) {
    const uint32_t present = row < n_rows ? std::min(table.panel_rows, n_rows - row) : 0;
    pack_panel({.dtype = dtype,
                .panel_rows = table.panel_rows,
                .n_columns = n_columns,
                .n_rows = present,
                .rows = weights.data() + row * bytes,
                .panel = data + row * bytes});
  }
  packed.data = data;
  return packed;
}

std::vector<float> run_matmul(const KernelTable& table, const MatmulCase& shape,
                              const PackedWeights& weights, const std::vector<float>& x,
                              const float* bias) {
  const uint32_t n_prepared = shape.paired ? 2 * shape.n_tokens : shape.n_tokens;
  const size_t n = size_t{n_prepared} * shape.n_columns;
  std::vector<int8_t> codes(n);
  std::vector<float> scales(n / 32 + 1);
  std::vector<int32_t> sums(n / 16 + 1);
  std::vector<float> floats(n);
  const Prepared prepared{codes.data(), scales.data(), sums.data(), floats.data()};
  const PrepareArgs prepare{.x = x.data(),
                            .x_stride = shape.n_columns,
                            .n_tokens = n_prepared,
                            .first_token = 0,
                            .last_token = n_prepared,
                            .n_columns = shape.n_columns,
                            .paired = shape.paired,
                            .out = prepared};
  (traits(shape.dtype).quantised ? table.prepare_codes : table.prepare_floats)(prepare);

  std::vector<std::byte> scratch(table.matmul_scratch_bytes(shape.n_columns) + 64);
  std::vector<float> out(size_t{shape.n_tokens} * shape.n_rows, std::nanf(""));
  const MatmulArgs args{.weights = weights.data,
                        .n_rows = shape.n_rows,
                        .n_columns = shape.n_columns,
                        .first_tile = 0,
                        .last_tile = (shape.n_rows + table.tile_rows - 1) / table.tile_rows,
                        .x = prepared,
                        .n_tokens = n_prepared,
                        .paired = shape.paired,
                        .bias = bias,
                        .out = out.data(),
                        .out_stride = shape.n_rows,
                        .scratch = aligned(scratch)};
  table.matmul[static_cast<size_t>(shape.dtype)](args);
  return out;
}

std::vector<DType> kernel_dtypes() {
  std::vector<DType> dtypes;
  for (int i = 0; i < kDTypeCount; ++i) {
    if (traits(static_cast<DType>(i)).has_kernels) {
      dtypes.push_back(static_cast<DType>(i));
    }
  }
  return dtypes;
}

std::vector<const KernelTable*> runnable_tables() {
  const CpuFeatures features = CpuFeatures::detect();
  std::vector<const KernelTable*> tables;
  for (const char* isa : {"scalar", "avx2", "avx512", "neon"}) {
    if (const KernelTable* table = choose_kernels(features, isa)) {
      tables.push_back(table);
    }
  }
  return tables;
}

}  // namespace quern::test
