// Every instruction set's matmul against the scalar specification, and against itself at other
// batch sizes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/pack.h"
#include "kernels/scalar/dot.h"
#include "support/golden.h"
#include "support/matrix.h"

namespace quern {
namespace {

std::string dtype_name(const testing::TestParamInfo<DType>& param) {
  return std::string(name(param.param));
}

class Matmul : public testing::TestWithParam<DType> {};

// Rows that do not fill a tile, a single row, and more tokens than a group.
TEST_P(Matmul, AgreesWithTheScalarSpecificationAtOddShapes) {
  const DType dtype = GetParam();
  const KernelTable& scalar = scalar_kernels();
  for (const KernelTable* table : test::runnable_tables()) {
    for (const uint32_t n_rows : {1U, 17U, 33U, 70U}) {
      for (const uint32_t n_tokens : {1U, 5U, 8U, 13U}) {
        const test::MatmulCase shape{
            .dtype = dtype, .n_rows = n_rows, .n_columns = 768, .n_tokens = n_tokens};
        const auto weights = test::random_weights(dtype, n_rows, shape.n_columns);
        const auto x = test::random_floats(size_t{n_tokens} * shape.n_columns, 3);
        const auto bias = test::random_floats(n_rows, 4);
        const auto want = test::run_matmul(
            scalar, shape, test::pack(scalar, dtype, n_rows, 768, weights), x, bias.data());
        const auto got = test::run_matmul(
            *table, shape, test::pack(*table, dtype, n_rows, 768, weights), x, bias.data());
        // Both see the same integers; only the order of f32 roundings differs.
        EXPECT_LT(test::nmse(got, want), 1e-11) << table->isa << " " << n_rows << " x " << n_tokens;
      }
    }
  }
}

TEST_P(Matmul, GivesATokenTheSameBitsInEveryBatch) {
  const DType dtype = GetParam();
  constexpr uint32_t kRows = 70;
  constexpr uint32_t kColumns = 512;
  constexpr uint32_t kTokens = 103;  // more than any kernel takes tile by tile
  constexpr uint32_t kBatches[] = {2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13,
                                   14, 15, 16, 17, 18, 19, 20, 95, 96, 97, 103};
  const auto weights = test::random_weights(dtype, kRows, kColumns);
  const auto x = test::random_floats(size_t{kTokens} * kColumns, 5);
  for (const KernelTable* table : test::runnable_tables()) {
    const auto packed = test::pack(*table, dtype, kRows, kColumns, weights);
    std::vector<float> alone;
    for (uint32_t t = 0; t < kTokens; ++t) {
      const std::vector<float> one(x.begin() + t * kColumns, x.begin() + (t + 1) * kColumns);
      const auto row = test::run_matmul(*table, {dtype, kRows, kColumns, 1}, packed, one);
      alone.insert(alone.end(), row.begin(), row.end());
    }
    for (const uint32_t n : kBatches) {
      const std::vector<float> part(x.begin(), x.begin() + n * kColumns);
      const auto together = test::run_matmul(*table, {dtype, kRows, kColumns, n}, packed, part);
      EXPECT_EQ(std::memcmp(together.data(), alone.data(), together.size() * sizeof(float)), 0)
          << table->isa << " with " << n << " tokens";
    }
  }
}

constexpr uint32_t kExtremeColumns = 512;
constexpr uint32_t kExtremeTokens = 7;

// Each block of columns has codes of 127 and 126, and where activations are paired, some 127 left
// over from the latter.
std::vector<float> extreme_activations(float sign) {
  std::vector<float> x(size_t{kExtremeTokens} * kExtremeColumns, sign * 126.4999F / 127.0F);
  for (size_t i = 0; i < x.size(); i += kActivationBlock) {
    x[i] = sign;
  }
  return x;
}

// One row of weights; many tokens and one, of 8 and of 15 bits.
void expect_as_scalar(DType dtype, const std::vector<std::byte>& weights,
                      const std::vector<float>& x) {
  const std::vector<float> one(x.begin(), x.begin() + kExtremeColumns);
  for (const bool paired : {false, true}) {
    const test::MatmulCase many{dtype, 1, kExtremeColumns, kExtremeTokens, paired};
    const test::MatmulCase single{dtype, 1, kExtremeColumns, 1, paired};
    const auto want =
        test::run_matmul(scalar_kernels(), many,
                         test::pack(scalar_kernels(), dtype, 1, kExtremeColumns, weights), x);
    const double tolerance = 1e-5 * std::fabs(static_cast<double>(want[0])) + 1e-3;
    for (const KernelTable* table : test::runnable_tables()) {
      const auto packed = test::pack(*table, dtype, 1, kExtremeColumns, weights);
      const auto tiled = test::run_matmul(*table, many, packed, x);
      const auto direct = test::run_matmul(*table, single, packed, one);
      EXPECT_NEAR(tiled[0], want[0], tolerance) << table->isa << " paired " << paired;
      EXPECT_NEAR(direct[0], want[0], tolerance) << table->isa << " paired " << paired;
    }
  }
}

// The largest codes beside the largest activations of one sign: where narrow sums would overflow.
TEST_P(Matmul, ExtremeCodesDoNotOverflow) {
  const DType dtype = GetParam();
  if (!traits(dtype).quantised) {
    GTEST_SKIP() << "plain types have no codes";
  }
  const PackSpec& spec = pack_spec(dtype);
  for (const int fill : {0x00, 0x7F, 0x80, 0x88, 0xFF}) {
    SCOPED_TRACE(fmt::format("codes of {:#x}", fill));
    auto weights = test::random_weights(dtype, 1, kExtremeColumns);
    for (size_t block = 0; block < weights.size(); block += spec.block_bytes) {
      for (const PackField& field : spec.fields) {
        if (field.element_bytes == 4) {  // codes, in every format
          std::memset(&weights[block + field.offset], fill, size_t{4} * field.n);
        }
      }
    }
    for (const float sign : {1.0F, -1.0F}) {
      expect_as_scalar(dtype, weights, extreme_activations(sign));
    }
  }
}

// The true product is known: activations that count with 15 bits come some 250 times nearer to it.
TEST_P(Matmul, PairedActivationsAreNearlyExactAndBatchInvariant) {
  const DType dtype = GetParam();
  if (!traits(dtype).quantised) {
    return;  // plain weights take f32 activations as they are
  }
  constexpr uint32_t kRows = 33;
  constexpr uint32_t kColumns = 512;
  constexpr uint32_t kTokens = 7;
  const auto weights = test::random_weights(dtype, kRows, kColumns);
  const auto x = test::random_floats(size_t{kTokens} * kColumns, 11);
  const size_t bytes = *row_bytes(dtype, kColumns);
  std::vector<float> want;
  for (uint32_t t = 0; t < kTokens; ++t) {
    for (uint32_t r = 0; r < kRows; ++r) {
      want.push_back(static_cast<float>(
          reference_dot(dtype, weights.data() + r * bytes, x.data() + t * kColumns, kColumns)));
    }
  }
  for (const KernelTable* table : test::runnable_tables()) {
    const auto packed = test::pack(*table, dtype, kRows, kColumns, weights);
    const test::MatmulCase shape{dtype, kRows, kColumns, kTokens, true};
    const auto together = test::run_matmul(*table, shape, packed, x);
    EXPECT_LT(test::nmse(together, want), 1e-8) << table->isa;
    for (uint32_t t = 0; t < kTokens; ++t) {
      const std::vector<float> one(x.begin() + t * kColumns, x.begin() + (t + 1) * kColumns);
      const auto row = test::run_matmul(*table, {dtype, kRows, kColumns, 1, true}, packed, one);
      EXPECT_EQ(std::memcmp(row.data(), together.data() + t * kRows, kRows * sizeof(float)), 0)
          << table->isa << " token " << t;
    }
  }
}

TEST_P(Matmul, PackingLosesNothing) {
  const DType dtype = GetParam();
  const auto weights = test::random_weights(dtype, 40, 512);
  const size_t bytes = *row_bytes(dtype, 512);
  for (const KernelTable* table : test::runnable_tables()) {
    const auto packed = test::pack(*table, dtype, 40, 512, weights);
    std::vector<std::byte> row(bytes);
    for (uint32_t r = 0; r < 40; ++r) {
      const uint32_t in_panel = r % table->panel_rows;
      extract_row({.dtype = dtype,
                   .panel_rows = table->panel_rows,
                   .n_columns = 512,
                   .row = in_panel,
                   .panel = packed.data + (r - in_panel) * bytes,
                   .out = row.data()});
      EXPECT_EQ(std::memcmp(row.data(), weights.data() + r * bytes, bytes), 0)
          << table->isa << " row " << r;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryType, Matmul, testing::ValuesIn(test::kernel_dtypes()), dtype_name);

TEST(Prepare, ANotANumberOrAnInfinityReachesTheOutput) {
  for (const KernelTable* table : test::runnable_tables()) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      const auto packed =
          test::pack(*table, DType::q8_0, 3, 64, test::random_weights(DType::q8_0, 3, 64));
      auto x = test::random_floats(64, 9);
      x[40] = bad;
      for (const float y : test::run_matmul(*table, {DType::q8_0, 3, 64, 1}, packed, x)) {
        EXPECT_FALSE(std::isfinite(y)) << table->isa;
      }
    }
  }
}

}  // namespace
}  // namespace quern
