#include "kernels/quantise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/scalar/dequantise.h"

namespace quern {
namespace {

std::vector<DType> types_with_kernels() {
  std::vector<DType> types;
  for (int i = 0; i < kDTypeCount; ++i) {
    if (traits(static_cast<DType>(i)).has_kernels) {
      types.push_back(static_cast<DType>(i));
    }
  }
  return types;
}

std::vector<float> gaussian(size_t n, float deviation) {
  std::mt19937 rng(7);
  std::normal_distribution<float> distribution(0.0F, deviation);
  std::vector<float> x(n);
  std::ranges::generate(x, [&] { return distribution(rng); });
  return x;
}

std::vector<std::byte> encoded(DType dtype, const std::vector<float>& x) {
  std::vector<std::byte> bytes(row_bytes(dtype, x.size()).value_or(0));
  EXPECT_TRUE(quantise_row(dtype, x.data(), bytes.data(), x.size()).has_value());
  return bytes;
}

std::vector<float> round_trip(DType dtype, const std::vector<float>& x) {
  std::vector<float> out(x.size());
  dequantise_row(dtype, encoded(dtype, x).data(), out.data(), x.size());
  return out;
}

double rms(const std::vector<float>& x) {
  double sum = 0.0;
  for (const float v : x) {
    sum += static_cast<double>(v) * static_cast<double>(v);
  }
  return std::sqrt(sum / static_cast<double>(x.size()));
}

double rms_error(DType dtype, const std::vector<float>& x) {
  std::vector<float> error = round_trip(dtype, x);
  for (size_t i = 0; i < x.size(); ++i) {
    error[i] -= x[i];
  }
  return rms(error);
}

class Quantise : public ::testing::TestWithParam<DType> {};

TEST_P(Quantise, KeepsZerosExactly) {
  const std::vector<float> zeros(512, 0.0F);
  EXPECT_EQ(round_trip(GetParam(), zeros), zeros);
}

// Shannon: no code of b bits a value has a relative error below 2^-b on Gaussian input. A scalar
// code with block scales should come within a factor of 2.5.
TEST_P(Quantise, ErrorOnGaussianRowsIsNearWhatItsBitsAllow) {
  const DTypeTraits& t = traits(GetParam());
  if (!t.quantised) {
    EXPECT_LT(rms_error(GetParam(), gaussian(512, 0.02F)), 0.02 * 0x1p-8);  // half a unit of bf16
    return;
  }
  const double bits = 8.0 * t.block_bytes / t.block_elements;
  const auto x = gaussian(16384, 0.02F);
  const double relative = rms_error(GetParam(), x) / rms(x);
  EXPECT_GT(relative, std::exp2(-bits));
  EXPECT_LT(relative, 2.5 * std::exp2(-bits));
}

// Decoded values lie on the format's grid already, so a second pass loses little more.
TEST_P(Quantise, DecodedRowsAreNearFixedPoints) {
  const auto x = gaussian(4096, 1.0F);
  const auto once = round_trip(GetParam(), x);
  const auto twice = round_trip(GetParam(), once);
  double moved = 0.0;
  for (size_t i = 0; i < x.size(); ++i) {
    moved += std::pow(static_cast<double>(twice[i]) - static_cast<double>(once[i]), 2);
  }
  EXPECT_LE(std::sqrt(moved / 4096.0), 0.5 * rms_error(GetParam(), x) + 1e-12);
}

TEST_P(Quantise, BlocksDoNotDependOnTheirNeighbours) {
  const size_t n = traits(GetParam()).block_elements;
  auto x = gaussian(3 * n, 1.0F);
  const auto before = round_trip(GetParam(), x);
  for (size_t i = 0; i < n; ++i) {
    x[i] *= 100.0F;
    x[2 * n + i] = 0.0F;
  }
  const auto after = round_trip(GetParam(), x);
  for (size_t i = n; i < 2 * n; ++i) {
    ASSERT_EQ(after[i], before[i]);
  }
}

TEST_P(Quantise, WritesExactlyTheRow) {
  const auto x = gaussian(256, 1.0F);
  const size_t n_bytes = row_bytes(GetParam(), x.size()).value_or(0);
  // At an odd address, with a guard behind.
  std::vector<std::byte> bytes(n_bytes + 2, std::byte{0xA5});
  ASSERT_TRUE(quantise_row(GetParam(), x.data(), bytes.data() + 1, x.size()).has_value());
  EXPECT_EQ(bytes.front(), std::byte{0xA5});
  EXPECT_EQ(bytes.back(), std::byte{0xA5});
  EXPECT_EQ(std::memcmp(bytes.data() + 1, encoded(GetParam(), x).data(), n_bytes), 0);
}

// From magnitudes that vanish in f16 to the largest accepted ones: finite, of the right sign, and
// no farther off than the largest value itself.
TEST_P(Quantise, ExtremeMagnitudesDecodeToFiniteValues) {
  for (const float scale : {1e-44F, 1e-20F, 1e-8F, 1e-5F, 1000.0F, 65504.0F / 6.0F}) {
    auto x = gaussian(512, 1.0F);
    for (float& v : x) {
      v = std::clamp(v, -6.0F, 6.0F) * scale;
    }
    const auto out = round_trip(GetParam(), x);
    const float peak =
        std::abs(*std::ranges::max_element(x, {}, [](float v) { return std::abs(v); }));
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_LE(std::abs(out[i] - x[i]), peak + 0x1p-24F) << "scale " << scale;
    }
  }
}

TEST_P(Quantise, RefusesWhatIsNotFinite) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    std::vector<float> x(512, 1.0F);
    x[300] = bad;
    std::vector<std::byte> bytes(row_bytes(GetParam(), x.size()).value_or(0));
    const Status status = quantise_row(GetParam(), x.data(), bytes.data(), x.size());
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().kind, ErrorKind::invalid_input);
    EXPECT_NE(status.error().what.find("300"), std::string::npos);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, Quantise, ::testing::ValuesIn(types_with_kernels()),
                         [](const auto& test) { return std::string(name(test.param)); });

// Uniform steps over the whole range without clipping: at most half a step, where
// f16 rounding of the scale moves the range's end by at most 2^-11.
TEST(QuantiseBounds, Q80IsWithinHalfAStep) {
  const auto x = gaussian(4096, 1.0F);
  const auto out = round_trip(DType::q8_0, x);
  for (size_t start = 0; start < x.size(); start += 32) {
    float peak = 0.0F;
    for (size_t i = start; i < start + 32; ++i) {
      peak = std::max(peak, std::abs(x[i]));
    }
    for (size_t i = start; i < start + 32; ++i) {
      ASSERT_LE(std::abs(out[i] - x[i]), peak / 127.0F * 0.5F + peak * 0x1p-11F);
    }
  }
}

// A row whose values lie on the grid of a format comes back exactly.
TEST(QuantiseBounds, UniformGridsAreFound) {
  std::vector<float> q4_0(32);
  std::vector<float> q5_1(32);
  for (int i = 0; i < 32; ++i) {
    q4_0[static_cast<size_t>(i)] = 0.25F * static_cast<float>(i % 16 - 8);
    q5_1[static_cast<size_t>(i)] = 0.5F * static_cast<float>(i) + 3.0F;
  }
  EXPECT_EQ(round_trip(DType::q4_0, q4_0), q4_0);
  EXPECT_EQ(round_trip(DType::q4_1, q4_0), q4_0);
  EXPECT_EQ(round_trip(DType::q5_1, q5_1), q5_1);
}

// The E2M1 values with a power-of-two scale (OCP Microscaling v1.0, table 5).
TEST(QuantiseBounds, Mxfp4KeepsItsOwnValues) {
  const std::vector<float> levels = {0.0F, 0.5F, 1.0F, 1.5F, 2.0F, 3.0F, 4.0F, 6.0F};
  for (const int exponent : {-120, -30, 0, 40, 120}) {
    std::vector<float> x(32);
    for (size_t i = 0; i < 32; ++i) {
      x[i] = std::ldexp(i < 16 ? levels[i % 8] : -levels[i % 8], exponent);
    }
    EXPECT_EQ(round_trip(DType::mxfp4, x), x) << exponent;
  }
}

TEST(QuantiseBounds, ConstantRowsKeepTheirValue) {
  for (const DType dtype : types_with_kernels()) {
    for (const float value : {1.0F, -0.75F}) {
      const auto out = round_trip(dtype, std::vector<float>(256, value));
      for (const float v : out) {
        // Multiples of a rounded super-scale miss a constant by up to a part in a few hundred.
        ASSERT_NEAR(v, value, 0.006F) << name(dtype);
      }
    }
  }
}

TEST(QuantiseErrors, NamesTypesWithoutAQuantiser) {
  const std::vector<float> x(256, 1.0F);
  std::vector<std::byte> bytes(1024);
  const Status status = quantise_row(DType::iq2_xs, x.data(), bytes.data(), x.size());
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().kind, ErrorKind::unsupported);
  EXPECT_NE(status.error().to_string().find("IQ2_XS"), std::string::npos);
}

TEST(QuantiseErrors, RefusesValuesBeyondTheFormatsRange) {
  const std::vector<float> x(256, 1e5F);
  std::vector<std::byte> bytes(1024);
  for (const DType dtype : types_with_kernels()) {
    const bool fits = dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::mxfp4;
    EXPECT_EQ(quantise_row(dtype, x.data(), bytes.data(), x.size()).has_value(), fits)
        << name(dtype);
  }
}

}  // namespace
}  // namespace quern
