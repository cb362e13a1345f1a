// Norm, rotation, addition, gated activation and KV writes of every instruction set against the
// scalar specification.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "support/golden.h"
#include "support/kv_memory.h"
#include "support/matrix.h"

namespace quern {
namespace {

// Lengths around the widths of vectors.
constexpr uint32_t kLengths[] = {1, 7, 8, 9, 15, 16, 17, 31, 33, 576, 1000};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(RmsNorm, AgreesWithTheScalarSpecificationAndStaysInsideItsRows) {
  constexpr uint32_t kRows = 3;
  for (const KernelTable* table : test::runnable_tables()) {
    for (const uint32_t n : kLengths) {
      const size_t stride = n + 5;
      const auto x = test::random_floats(kRows * stride, 1, 3.0F);
      const auto weight = test::random_floats(n, 2);
      std::vector<float> want(kRows * stride, 7.0F);
      std::vector<float> got = want;
      RmsNormArgs args{.x = x.data(),
                       .x_stride = stride,
                       .weight = weight.data(),
                       .out = want.data(),
                       .out_stride = stride,
                       .n_rows = kRows,
                       .n_columns = n,
                       .eps = 1e-5F};
      scalar_kernels().rms_norm(args);
      args.out = got.data();
      table->rms_norm(args);
      EXPECT_LT(test::nmse(got, want), 1e-12) << table->isa << " " << n;
      for (size_t i = n; i < stride; ++i) {
        EXPECT_EQ(got[i], 7.0F) << table->isa << " " << n << " wrote beyond its row";
      }
      std::vector<float> in_place = x;
      args.x = in_place.data();
      args.out = in_place.data();
      table->rms_norm(args);
      EXPECT_EQ(std::memcmp(in_place.data(), got.data(), n * sizeof(float)), 0) << table->isa;
    }
  }
}

// Products and sums are rounded one by one in both, so the results are equal.
TEST(Rope, EqualsTheScalarSpecificationInBothLayouts) {
  constexpr uint32_t kRows = 3;
  constexpr uint32_t kHeads = 3;
  for (const KernelTable* table : test::runnable_tables()) {
    for (const uint32_t head_dim : {8U, 64U, 80U, 128U}) {
      for (const uint32_t n_rotated : {head_dim, head_dim / 2}) {
        for (const bool interleaved : {false, true}) {
          const size_t stride = size_t{kHeads} * head_dim + 3;
          const auto x = test::random_floats(kRows * stride, head_dim);
          const auto cos_sin = test::random_floats(size_t{kRows} * n_rotated, 6);
          std::vector<float> want = x;
          std::vector<float> got = x;
          RopeArgs args{.x = want.data(),
                        .x_stride = stride,
                        .cos_sin = cos_sin.data(),
                        .n_rows = kRows,
                        .n_heads = kHeads,
                        .head_dim = head_dim,
                        .n_rotated = n_rotated,
                        .interleaved = interleaved};
          scalar_kernels().rope(args);
          args.x = got.data();
          table->rope(args);
          EXPECT_TRUE(same_bits(got, want)) << table->isa << " " << head_dim << " " << interleaved;
        }
      }
    }
  }
}

// By 90 degrees a pair (a, b) becomes (-b, a).
TEST(Rope, AQuarterTurnSwapsThePair) {
  for (const KernelTable* table : test::runnable_tables()) {
    for (const bool interleaved : {false, true}) {
      std::vector<float> x = {1, 2, 3, 4};
      const std::vector<float> cos_sin = {0, 0, 1, 1};
      table->rope({.x = x.data(),
                   .x_stride = 4,
                   .cos_sin = cos_sin.data(),
                   .n_rows = 1,
                   .n_heads = 1,
                   .head_dim = 4,
                   .n_rotated = 4,
                   .interleaved = interleaved});
      const std::vector<float> want =
          interleaved ? std::vector<float>{-2, 1, -4, 3} : std::vector<float>{-3, -4, 1, 2};
      EXPECT_EQ(x, want) << table->isa;
    }
  }
}

// A fused multiplication and addition is rounded once in every implementation.
TEST(AddScaled, EqualsTheScalarSpecificationAndStaysInsideItsRow) {
  for (const KernelTable* table : test::runnable_tables()) {
    for (const uint32_t n : kLengths) {
      const auto y = test::random_floats(n, 3);
      std::vector<float> want = test::random_floats(n + 5, 4);
      std::vector<float> got = want;
      scalar_kernels().add_scaled({.x = want.data(), .y = y.data(), .scale = 0.3F, .n = n});
      table->add_scaled({.x = got.data(), .y = y.data(), .scale = 0.3F, .n = n});
      EXPECT_TRUE(same_bits(got, want)) << table->isa << " " << n;
    }
  }
}

TEST(Add, EqualsTheSumOfEveryElement) {
  for (const KernelTable* table : test::runnable_tables()) {
    for (const uint32_t n : kLengths) {
      auto x = test::random_floats(n + 1, 1);
      const auto y = test::random_floats(n + 1, 2);
      std::vector<float> want = x;
      for (size_t i = 0; i < n; ++i) {
        want[i] = x[i] + y[i];
      }
      table->add(x.data(), y.data(), n);
      EXPECT_TRUE(same_bits(x, want)) << table->isa << " " << n;
    }
  }
}

TEST(Gated, AgreesWithTheScalarSpecification) {
  for (const KernelTable* table : test::runnable_tables()) {
    for (const Activation activation : {Activation::silu, Activation::gelu_tanh}) {
      for (const uint32_t n : kLengths) {
        auto gate = test::random_floats(n, 1, 8.0F);
        gate[0] = -100.0F;
        gate[n / 2] = 95.0F;
        const auto up = test::random_floats(n, 2);
        std::vector<float> want(n);
        std::vector<float> got(n);
        scalar_kernels().gated({gate.data(), up.data(), want.data(), n, activation});
        table->gated({gate.data(), up.data(), got.data(), n, activation});
        for (size_t i = 0; i < n; ++i) {
          // 1 + tanh cancels for large negative gates, so the error is relative to the gate.
          EXPECT_NEAR(got[i], want[i], 5e-7 * (1.0 + std::fabs(gate[i] * up[i])))
              << table->isa << " gate " << gate[i];
        }
        table->gated({gate.data(), up.data(), gate.data(), n, activation});
        EXPECT_TRUE(same_bits(gate, got)) << table->isa << " in place";
      }
    }
  }
}

TEST(Gated, ANotANumberStaysOne) {
  for (const KernelTable* table : test::runnable_tables()) {
    for (const Activation activation : {Activation::silu, Activation::gelu_tanh}) {
      std::vector<float> gate(9, std::numeric_limits<float>::quiet_NaN());
      const std::vector<float> up(9, 1.0F);
      table->gated({gate.data(), up.data(), gate.data(), 9, activation});
      for (const float value : gate) {
        EXPECT_TRUE(std::isnan(value)) << table->isa;
      }
    }
  }
}

TEST(KvWrite, StoresTheSameBytesAsTheScalarSpecification) {
  for (const KernelTable* table : test::runnable_tables()) {
    for (const KvDType dtype : {KvDType::f16, KvDType::f32, KvDType::q8_0}) {
      for (const uint32_t head_dim : {8U, 64U, 80U, 128U}) {
        const test::KvShape shape{.dtype = dtype, .n_kv_heads = 2, .head_dim = head_dim};
        const test::KvMemory want(scalar_kernels(), shape, 37);
        const test::KvMemory got(*table, shape, 37);
        EXPECT_EQ(want.k(), got.k()) << table->isa << " " << head_dim;
        EXPECT_EQ(want.v(), got.v()) << table->isa << " " << head_dim;
      }
    }
  }
}

// Beyond f16's largest number 65504 an infinity would poison queries that do not see the token.
TEST(KvWrite, SaturatesInF16) {
  for (const KernelTable* table : test::runnable_tables()) {
    std::vector<std::byte> k(kv_head_bytes(KvDType::f16, 8));
    std::vector<std::byte> v(k.size());
    const std::vector<float> x = {1e6F, -1e6F, 0, 1, 65504, -65504, 2, 3};
    table->kv_write({.layer = {.k = k.data(),
                               .v = v.data(),
                               .type = KvDType::f16,
                               .n_kv_heads = 1,
                               .head_dim = 8,
                               .head_stride = kv_head_stride(KvDType::f16, 8),
                               .head_bytes = k.size(),
                               .head_pitch = k.size(),
                               .block_stride = k.size()},
                     .k = x.data(),
                     .v = x.data()});
    uint16_t first[2];
    std::memcpy(first, v.data(), sizeof(first));
    EXPECT_EQ(first[0], 0x7BFF) << table->isa;  // IEEE 754: 65504
    EXPECT_EQ(first[1], 0xFBFF) << table->isa;
  }
}

}  // namespace
}  // namespace quern
