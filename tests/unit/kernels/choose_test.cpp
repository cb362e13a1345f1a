// Which kernel table a machine gets, and that a forced one is the one that is used.
#include <gtest/gtest.h>

#include <vector>

#include "kernels/kernel_table.h"

namespace quern {
namespace {

constexpr CpuFeatures kEverything{
    .avx2 = true, .avx512 = true, .avx512_bf16 = true, .neon_dot = true};

// Every table that this build has.
std::vector<const KernelTable*> tables() {
  std::vector<const KernelTable*> present = {&scalar_kernels()};
  for (const KernelTable* table : {avx2_kernels(), avx512_kernels(), neon_kernels()}) {
    if (table != nullptr) {
      present.push_back(table);
    }
  }
  return present;
}

TEST(ChooseKernels, AForcedInstructionSetYieldsItsOwnTable) {
  EXPECT_EQ(choose_kernels(kEverything, "scalar"), &scalar_kernels());
  EXPECT_EQ(choose_kernels(kEverything, "avx2"), avx2_kernels());
  EXPECT_EQ(choose_kernels(kEverything, "avx512"), avx512_kernels());
  EXPECT_EQ(choose_kernels(kEverything, "neon"), neon_kernels());
  EXPECT_EQ(scalar_kernels().isa, "scalar");
  if (avx2_kernels() != nullptr) {
    EXPECT_EQ(avx2_kernels()->isa, "avx2");
  }
  if (avx512_kernels() != nullptr) {
    EXPECT_EQ(avx512_kernels()->isa, "avx512");
  }
  if (neon_kernels() != nullptr) {
    EXPECT_EQ(neon_kernels()->isa, "neon");
  }
}

// Tables that shared a function would hide that the wrong one runs.
TEST(ChooseKernels, TablesShareNoMatmul) {
  for (const KernelTable* one : tables()) {
    for (const KernelTable* other : tables()) {
      if (one == other) {
        continue;
      }
      for (int i = 0; i < kDTypeCount; ++i) {
        if (one->matmul[i] != nullptr) {
          EXPECT_NE(one->matmul[i], other->matmul[i]) << one->isa << " and " << other->isa;
        }
      }
    }
  }
}

TEST(ChooseKernels, AnUnknownNameYieldsNothing) {
  EXPECT_EQ(choose_kernels(kEverything, "neon2"), nullptr);
  EXPECT_EQ(choose_kernels(kEverything, ""), nullptr);
  EXPECT_EQ(choose_kernels(kEverything, "AVX2"), nullptr);
}

TEST(ChooseKernels, AMachineWithoutFeaturesGetsScalarAndNothingElse) {
  const CpuFeatures none;
  EXPECT_EQ(choose_kernels(none, std::nullopt), &scalar_kernels());
  EXPECT_EQ(choose_kernels(none, "scalar"), &scalar_kernels());
  EXPECT_EQ(choose_kernels(none, "avx2"), nullptr);
  EXPECT_EQ(choose_kernels(none, "avx512"), nullptr);
  EXPECT_EQ(choose_kernels(none, "neon"), nullptr);
}

TEST(ChooseKernels, TheWidestThatTheMachineHasComesFirst) {
  if (avx2_kernels() == nullptr || avx512_kernels() == nullptr) {
    GTEST_SKIP() << "this build has no x86 kernels";
  }
  EXPECT_EQ(choose_kernels(kEverything, std::nullopt), avx512_kernels());
  EXPECT_EQ(choose_kernels({.avx2 = true}, std::nullopt), avx2_kernels());
}

TEST(ChooseKernels, DotProductsMakeArmNeon) {
  if (neon_kernels() == nullptr) {
    GTEST_SKIP() << "this build has no ARM kernels";
  }
  EXPECT_EQ(choose_kernels({.neon_dot = true}, std::nullopt), neon_kernels());
}

TEST(ChooseKernels, EveryTableHasAKernelForEveryTypeThatSaysSo) {
  for (const KernelTable* table : tables()) {
    for (int i = 0; i < kDTypeCount; ++i) {
      const DTypeTraits& type = traits(static_cast<DType>(i));
      EXPECT_EQ(table->matmul[i] != nullptr, type.has_kernels) << table->isa << " " << type.name;
    }
  }
}

}  // namespace
}  // namespace quern
