#include "kernels/scalar/dot.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace quern {
namespace {

// Two Q8_0 blocks with d = 0.5 and 2 and codes 1..32: a closed form.
TEST(ReferenceDot, SumsOverBlocksWithTheirOwnScales) {
  std::vector<std::byte> row(68);
  const std::array<uint16_t, 2> d = {0x3800, 0x4000};
  for (size_t b = 0; b < 2; ++b) {
    row[34 * b] = static_cast<std::byte>(d[b] & 0xFFU);
    row[34 * b + 1] = static_cast<std::byte>(d[b] >> 8);
    for (size_t i = 0; i < 32; ++i) {
      row[34 * b + 2 + i] = static_cast<std::byte>(i + 1);
    }
  }
  const std::vector<float> ones(64, 1.0F);
  EXPECT_EQ(reference_dot(DType::q8_0, row.data(), ones.data(), 64), 528.0 * 2.5);
  std::vector<float> one_element(64, 0.0F);
  one_element[33] = -3.0F;  // meets the second block's code 2
  EXPECT_EQ(reference_dot(DType::q8_0, row.data(), one_element.data(), 64), -12.0);
}

// In f32 the small products would vanish beside the large one.
TEST(ReferenceDot, AccumulatesInDouble) {
  const std::array<float, 3> row = {16777216.0F, 1.0F, 1.0F};
  const std::array<float, 3> x = {16777216.0F, 1.0F, 1.0F};
  EXPECT_EQ(reference_dot(DType::f32, reinterpret_cast<const std::byte*>(row.data()), x.data(), 3),
            0x1p48 + 2.0);
}

TEST(ReferenceDot, OfNothingIsZero) {
  EXPECT_EQ(reference_dot(DType::q4_k, nullptr, nullptr, 0), 0.0);
}

}  // namespace
}  // namespace quern
