// What the machine is taken to have, against what its processor says of itself.
#include "base/cpu_features.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace quern {
namespace {

#if defined(__aarch64__)
// Arm Architecture Reference Manual, ID_AA64ISAR0_EL1: bits 47:44, DP, are 0 without dot products.
// Linux lets programs read it.
TEST(CpuFeatures, DotProductsAreThoseOfTheIdentificationRegister) {
  uint64_t id = 0;
  asm("mrs %0, ID_AA64ISAR0_EL1" : "=r"(id));
  EXPECT_EQ(CpuFeatures::detect().neon_dot, ((id >> 44) & 0xFU) != 0);
}
#endif

TEST(CpuFeatures, NoMachineHasThoseOfTwoArchitectures) {
  const CpuFeatures features = CpuFeatures::detect();
  EXPECT_FALSE(features.neon_dot && features.avx2);
}

}  // namespace
}  // namespace quern
