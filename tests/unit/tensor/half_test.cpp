#include "tensor/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace quern {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// IEEE 754-2008, 3.4: binary16 has 5 exponent bits, bias 15, and 10 fraction bits.
double f16_by_definition(uint32_t bits) {
  const int exponent = static_cast<int>((bits >> 10) & 31U);
  const auto fraction = static_cast<double>(bits & 1023U);
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024.0 + fraction, exponent - 25);
  return (bits & 0x8000U) != 0 ? -magnitude : magnitude;
}

bool is_f16_nan(uint32_t bits) {
  return (bits & 0x7FFFU) > 0x7C00U;
}

TEST(Half, EveryF16DecodesByTheDefinition) {
  for (uint32_t bits = 0; bits <= 0xFFFFU; ++bits) {
    const float got = f16_to_f32(static_cast<uint16_t>(bits));
    if (is_f16_nan(bits)) {
      ASSERT_TRUE(std::isnan(got)) << bits;
    } else if ((bits & 0x7FFFU) == 0x7C00U) {
      ASSERT_EQ(got, bits == 0x7C00U ? kInfinity : -kInfinity);
    } else {
      ASSERT_EQ(static_cast<double>(got), f16_by_definition(bits)) << bits;
      ASSERT_EQ(std::signbit(got), bits >= 0x8000U) << bits;
    }
  }
}

TEST(Half, EveryF16SurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits <= 0xFFFFU; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    // A signalling NaN comes back quiet: bit 9 set.
    const uint32_t want = is_f16_nan(bits) ? bits | 0x200U : bits;
    ASSERT_EQ(f32_to_f16(f16_to_f32(half)), want) << bits;
  }
}

// Between each two neighbours the half-way point goes to the even one, and its two f32 neighbours
// to the nearer one. Together with monotony this covers the whole line, subnormals included.
TEST(Half, F16RoundsToNearestWithTiesToEven) {
  for (uint32_t low = 0; low < 0x7BFFU; ++low) {
    const uint32_t high = low + 1;
    const auto middle = static_cast<float>((f16_by_definition(low) + f16_by_definition(high)) / 2);
    const uint32_t even = low % 2 == 0 ? low : high;
    ASSERT_EQ(f32_to_f16(middle), even);
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 0.0F)), low);
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, kInfinity)), high);
    ASSERT_EQ(f32_to_f16(-middle), even | 0x8000U);
  }
}

TEST(Half, F16OverflowsFromHalfAUnitPastTheLargestValue) {
  EXPECT_EQ(f32_to_f16(kF16Max), 0x7BFF);
  EXPECT_EQ(f32_to_f16(std::nextafter(65520.0F, 0.0F)), 0x7BFF);
  EXPECT_EQ(f32_to_f16(65520.0F), 0x7C00);
  EXPECT_EQ(f32_to_f16(std::numeric_limits<float>::max()), 0x7C00);
  EXPECT_EQ(f32_to_f16(-kInfinity), 0xFC00);
}

TEST(Half, F16UnderflowsToASignedZero) {
  EXPECT_EQ(f32_to_f16(0x1p-25F), 0x0000);  // a tie between 0 and 2^-24
  EXPECT_EQ(f32_to_f16(-0x1p-25F), 0x8000);
  EXPECT_EQ(f32_to_f16(std::nextafter(0x1p-25F, 1.0F)), 0x0001);
  EXPECT_EQ(f32_to_f16(std::numeric_limits<float>::denorm_min()), 0x0000);
}

TEST(Half, EveryBf16SurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits <= 0xFFFFU; ++bits) {
    const auto brain = static_cast<uint16_t>(bits);
    const bool nan = (bits & 0x7FFFU) > 0x7F80U;
    ASSERT_EQ(std::isnan(bf16_to_f32(brain)), nan);
    ASSERT_EQ(f32_to_bf16(bf16_to_f32(brain)), nan ? bits | 0x40U : bits);
  }
}

TEST(Half, Bf16RoundsToNearestWithTiesToEven) {
  for (uint32_t low = 0; low < 0x7F7FU; ++low) {
    const uint32_t high = low + 1;
    const double sum = static_cast<double>(bf16_to_f32(static_cast<uint16_t>(low))) +
                       static_cast<double>(bf16_to_f32(static_cast<uint16_t>(high)));
    const auto middle = static_cast<float>(sum / 2);
    ASSERT_EQ(f32_to_bf16(middle), low % 2 == 0 ? low : high);
    ASSERT_EQ(f32_to_bf16(std::nextafter(middle, 0.0F)), low);
    ASSERT_EQ(f32_to_bf16(std::nextafter(middle, kInfinity)), high);
  }
}

TEST(Half, Bf16KeepsInfinitiesAndNans) {
  EXPECT_EQ(f32_to_bf16(kInfinity), 0x7F80);
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::max()), 0x7F80);
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::quiet_NaN()), 0x7FC0);
}

}  // namespace
}  // namespace quern
