#include "sampling/token_mask.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace quern {
namespace {

TEST(GrammarMask, ForbidsExactlyTheTokensWithoutABit) {
  for (const uint32_t n : {1U, 63U, 64U, 65U, 200U}) {
    GrammarMask mask(n, false);
    for (uint32_t i = 0; i < n; i += 3) {
      mask.allow(TokenId{static_cast<int>(i)});
    }
    std::vector<float> logits(n, 1.0F);
    mask.apply(logits);
    for (uint32_t i = 0; i < n; ++i) {
      EXPECT_EQ(mask.allowed(TokenId{static_cast<int>(i)}), i % 3 == 0);
      EXPECT_EQ(std::isinf(logits[i]), i % 3 != 0);
    }
  }
}

TEST(GrammarMask, AllowsAllByDefaultAndCanForbid) {
  GrammarMask mask(130);
  std::vector<float> logits(130, 2.0F);
  mask.apply(logits);
  EXPECT_EQ(logits, std::vector<float>(130, 2.0F));
  mask.forbid(TokenId{129});
  mask.apply(logits);
  EXPECT_TRUE(std::isinf(logits[129]));
  EXPECT_EQ(logits[128], 2.0F);
}

TEST(GrammarMaskDeathTest, ATokenOutsideTheVocabularyIsABug) {
  GrammarMask mask(10);
  EXPECT_DEATH(mask.allow(TokenId{10}), "");
  EXPECT_DEATH((void)mask.allowed(TokenId{-1}), "");
}

}  // namespace
}  // namespace quern
