#include "kernels/scalar/dequantise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace quern {
namespace {

struct F16Field {
  size_t offset;
  uint16_t bits;
};

struct Vector {
  DType dtype;
  std::vector<F16Field> scales;  // written over the noise
  std::array<float, 4> values;   // of elements 0, n/2 - 1, n/2, n - 1
  double weighted_sum;           // of (i + 1) * value i: notices any permutation
};

std::ostream& operator<<(std::ostream& out, const Vector& vector) {
  return out << name(vector.dtype);
}

// Bytes from the linear congruential generator of Numerical Recipes, seed 1.
std::vector<std::byte> noise(size_t n_bytes) {
  std::vector<std::byte> bytes(n_bytes);
  uint32_t state = 1;
  for (std::byte& b : bytes) {
    state = state * 1664525U + 1013904223U;
    b = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

std::vector<std::byte> block_of(const Vector& vector) {
  std::vector<std::byte> bytes = noise(traits(vector.dtype).block_bytes);
  for (const F16Field& field : vector.scales) {
    bytes[field.offset] = static_cast<std::byte>(field.bits & 0xFFU);
    bytes[field.offset + 1] = static_cast<std::byte>(field.bits >> 8);
  }
  if (vector.dtype == DType::mxfp4) {
    bytes[0] = std::byte{125};  // a scale of 2^-2
  }
  return bytes;
}

class Dequantise : public ::testing::TestWithParam<Vector> {};

TEST_P(Dequantise, GivesTheValuesOfTheNumPyDecoder) {
  const Vector& want = GetParam();
  const size_t n = traits(want.dtype).block_elements;
  std::vector<float> got(n);
  dequantise_row(want.dtype, block_of(want).data(), got.data(), n);
  EXPECT_EQ(got[0], want.values[0]);
  EXPECT_EQ(got[n / 2 - 1], want.values[1]);
  EXPECT_EQ(got[n / 2], want.values[2]);
  EXPECT_EQ(got[n - 1], want.values[3]);
  double sum = 0.0;
  for (size_t i = 0; i < n; ++i) {
    sum += static_cast<double>(i + 1) * static_cast<double>(got[i]);
  }
  EXPECT_DOUBLE_EQ(sum, want.weighted_sum);
}

TEST_P(Dequantise, TakesBlocksOneAfterAnotherFromAnyAddress) {
  const Vector& vector = GetParam();
  const size_t n = traits(vector.dtype).block_elements;
  const auto block = block_of(vector);
  std::vector<float> one(n);
  dequantise_row(vector.dtype, block.data(), one.data(), n);

  std::vector<std::byte> row(1 + 2 * block.size());  // starts at an odd address
  std::ranges::copy(block, row.begin() + 1);
  std::ranges::copy(block, row.begin() + 1 + static_cast<ptrdiff_t>(block.size()));
  std::vector<float> two(2 * n + 1, 42.0F);
  dequantise_row(vector.dtype, row.data() + 1, two.data(), 2 * n);
  for (size_t i = 0; i < n; ++i) {
    ASSERT_EQ(two[i], one[i]);
    ASSERT_EQ(two[n + i], one[i]);
  }
  EXPECT_EQ(two[2 * n], 42.0F) << "written past the end";
}

// Source: gguf-py 0.19.0 (gguf.quants.dequantize) on the same bytes.
INSTANTIATE_TEST_SUITE_P(
    Formats, Dequantise,
    ::testing::Values(
        Vector{DType::q4_0,
               {{0, 0x2E66}},
               {-0.6998291015625F, -0.4998779296875F, 0.0F, -0.2999267578125F},
               -8.4979248046875},
        Vector{DType::q4_1,
               {{0, 0x2E66}, {2, 0xB28F}},
               {0.9947509765625F, 0.5948486328125F, -0.2049560546875F, 0.5948486328125F},
               317.879150390625},
        Vector{DType::q5_0,
               {{0, 0x2E66}},
               {0.599853515625F, 0.999755859375F, -0.39990234375F, -1.4996337890625F},
               -49.387939453125},
        Vector{DType::q5_1,
               {{0, 0x2E66}, {2, 0xB28F}},
               {0.1949462890625F, -0.10498046875F, -0.2049560546875F, 1.89453125F},
               665.8941650390625},
        Vector{DType::q8_0,
               {{0, 0x2E66}},
               {-12.6968994140625F, 8.2979736328125F, -8.197998046875F, -0.4998779296875F},
               223.4454345703125},
        Vector{DType::q2_k,
               {{80, 0x2E66}, {82, 0x328F}},
               {-0.6148681640625F, -1.6396484375F, 1.19970703125F, -0.8748779296875F},
               -9853.186889648438},
        Vector{DType::q3_k,
               {{108, 0x2E66}},
               {2.0994873046875F, -1.399658203125F, 2.999267578125F, 10.79736328125F},
               17504.525390625},
        Vector{DType::q4_k,
               {{0, 0x2E66}, {2, 0x328F}},
               {13.57666015625F, 6.378173828125F, -0.4449462890625F, 32.3369140625F},
               586682.1243896484},
        Vector{DType::q5_k,
               {{0, 0x2E66}, {2, 0x328F}},
               {7.578125F, 25.973388671875F, 11.4521484375F, 15.14111328125F},
               1381181.607421875},
        Vector{DType::q6_k,
               {{208, 0x2E66}},
               {-114.77197265625F, -186.2545166015625F, -60.985107421875F, -0.0F},
               -585587.2994384766},
        Vector{DType::iq4_nl,
               {{0, 0x2E66}},
               {-10.3974609375F, -6.4984130859375F, 0.0999755859375F, -3.4991455078125F},
               -72.4822998046875},
        Vector{DType::iq4_xs,
               {{0, 0x2E66}},
               {19.59521484375F, -10.997314453125F, -98.77587890625F, 30.392578125F},
               -169405.5311279297},
        Vector{DType::mxfp4, {}, {-1.0F, -0.5F, 0.75F, -0.75F}, -35.375}),
    [](const auto& test) { return std::string(name(test.param.dtype)); });

TEST(DequantisePlain, ConvertsEachElement) {
  // 1, -2 and 2^-24 in f16; 1, -2 and 3.140625 in bf16.
  const std::array<uint16_t, 3> f16 = {0x3C00, 0xC000, 0x0001};
  const std::array<uint16_t, 3> bf16 = {0x3F80, 0xC000, 0x4049};
  std::array<float, 3> out{};
  dequantise_row(DType::f16, reinterpret_cast<const std::byte*>(f16.data()), out.data(), 3);
  EXPECT_EQ(out, (std::array<float, 3>{1.0F, -2.0F, 0x1p-24F}));
  dequantise_row(DType::bf16, reinterpret_cast<const std::byte*>(bf16.data()), out.data(), 3);
  EXPECT_EQ(out, (std::array<float, 3>{1.0F, -2.0F, 3.140625F}));
  const std::array<float, 3> plain = {1.5F, -0.0F, 1e-40F};
  dequantise_row(DType::f32, reinterpret_cast<const std::byte*>(plain.data()), out.data(), 3);
  EXPECT_EQ(out, plain);
}

// OCP Microscaling v1.0, 5.4.1: an E8M0 scale is 2^(e - 127); ggml reads 255 as the next power.
TEST(DequantiseMxfp4, ReadsEveryExponent) {
  for (unsigned e = 0; e <= 255; ++e) {
    std::array<std::byte, 17> block{};
    block[0] = static_cast<std::byte>(e);
    block[1] = std::byte{0x12};  // element 0 is 1.0, element 16 is 0.5
    std::array<float, 32> out{};
    dequantise_row(DType::mxfp4, block.data(), out.data(), 32);
    const int exponent = static_cast<int>(e) - 127;
    ASSERT_EQ(static_cast<double>(out[16]), std::ldexp(0.5, exponent)) << e;
    if (e < 255) {  // 2^128 is beyond f32
      ASSERT_EQ(static_cast<double>(out[0]), std::ldexp(1.0, exponent)) << e;
    }
    ASSERT_EQ(out[1], 0.0F);
  }
}

TEST(DequantiseSupport, MatchesTheTypesThatClaimKernels) {
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(can_dequantise(dtype), traits(dtype).has_kernels) << name(dtype);
  }
}

TEST(DequantiseDeathTest, RefusesHalfABlockAndUnknownTypes) {
  std::array<std::byte, 18> block{};
  std::array<float, 32> out{};
  EXPECT_DEATH(dequantise_row(DType::q4_0, block.data(), out.data(), 31), "kElements");
  EXPECT_DEATH(dequantise_row(DType::iq1_s, block.data(), out.data(), 0), "decoder");
}

}  // namespace
}  // namespace quern
