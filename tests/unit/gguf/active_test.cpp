#include "gguf/active.h"

#include <gtest/gtest.h>

#include "gguf/reader.h"
#include "support/golden.h"

namespace quern {
namespace {

TensorInfo named(std::string_view name) {
  TensorInfo tensor;
  tensor.name = name;
  return tensor;
}

TEST(Active, KnowsTheNamesOfExpertsOfTodayAndOfOlderFiles) {
  for (const char* name : {"blk.3.ffn_gate_exps.weight", "blk.0.ffn_down_exps.weight",
                           "blk.12.ffn_up.0.weight", "blk.1.ffn_gate.15.weight"}) {
    EXPECT_TRUE(is_expert_tensor(named(name))) << name;
  }
  for (const char* name :
       {"blk.3.ffn_gate.weight", "blk.3.ffn_gate_inp.weight", "blk.3.ffn_gate_shexp.weight",
        "blk.3.attn_q.weight", "output.weight", "blk.3.ffn_up.bias", "blk.3.ffn_up.3", ""}) {
    EXPECT_FALSE(is_expert_tensor(named(name))) << name;
  }
}

// The golden qwen3moe: 3 layers of 8 experts of 3 matrices of 64 x 128, 2 in use.
TEST(Active, CountsTheExpertsInUse) {
  const auto path = test::golden_dir() / "arch" / "qwen3moe.gguf";
  QUERN_NEED_GOLDEN(path);
  const auto card = read_model_card(path);
  ASSERT_TRUE(card.has_value());
  EXPECT_EQ(card->n_parameters() - n_active_parameters(*card), 3U * 6 * 3 * 64 * 128);
}

TEST(Active, CountsADenseModelWhole) {
  const auto path = test::golden_dir() / "arch" / "qwen3.gguf";
  QUERN_NEED_GOLDEN(path);
  const auto card = read_model_card(path);
  ASSERT_TRUE(card.has_value());
  EXPECT_EQ(card->n_parameters(), n_active_parameters(*card));
}

}  // namespace
}  // namespace quern
