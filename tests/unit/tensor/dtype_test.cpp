#include "tensor/dtype.h"

#include <gtest/gtest.h>

#include "tensor/shape.h"

namespace quern {
namespace {

// Block sizes as gguf-py's GGML_QUANT_SIZES publishes them.
TEST(DType, RowBytesFollowThePublishedBlockSizes) {
  EXPECT_EQ(row_bytes(DType::q4_0, 64), 36u);
  EXPECT_EQ(row_bytes(DType::q6_k, 512), 420u);
  EXPECT_EQ(row_bytes(DType::f32, 3), 12u);
  EXPECT_EQ(row_bytes(DType::q4_k, 128), std::nullopt);
  EXPECT_EQ(row_bytes(DType::f32, UINT64_MAX / 2), std::nullopt);
}

TEST(DType, NamesRoundTripInEitherCase) {
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(dtype_from_name(name(dtype)), dtype);
  }
  EXPECT_EQ(dtype_from_name("q4_k"), DType::q4_k);
  EXPECT_EQ(dtype_from_name("Q9_K"), std::nullopt);
}

TEST(Shape, CountsElementsAndNoticesOverflow) {
  EXPECT_EQ((Shape{4, 8}).n_elements(), 32u);
  EXPECT_EQ((Shape{1ULL << 40, 1ULL << 40}).n_elements(), std::nullopt);
  EXPECT_EQ((Shape{4096, 1024}).to_string(), "[4096, 1024]");
}

}  // namespace
}  // namespace quern
