#include "model/model_config.h"

#include <gtest/gtest.h>

#include "gguf/reader.h"
#include "gguf/validate.h"
#include "support/raw_gguf.h"

namespace quern {
namespace {

using test::RawGguf;
namespace wire = test::wire;

// A tiny model's hyper-parameters, with one more.
RawGguf tiny(uint64_t n_more_pairs) {
  return RawGguf()
      .header(0, 6 + n_more_pairs)
      .text("general.architecture", "llama")
      .scalar<uint32_t>("llama.block_count", wire::kU32, 2)
      .scalar<uint32_t>("llama.embedding_length", wire::kU32, 64)
      .scalar<uint32_t>("llama.feed_forward_length", wire::kU32, 128)
      .scalar<uint32_t>("llama.attention.head_count", wire::kU32, 4)
      .scalar<uint32_t>("llama.context_length", wire::kU32, 256);
}

Result<ModelConfig> config_of(const RawGguf& file) {
  QUERN_ASSIGN(const ModelCard card, parse_model_card(file.bytes(), file.bytes().size()));
  QUERN_TRY(validate_card(card));
  return read_model_config(card);
}

TEST(ModelConfig, TakesWhatAFileSays) {
  const auto config = config_of(tiny(0));
  ASSERT_TRUE(config.has_value()) << config.error().to_string();
  EXPECT_EQ(config->n_layers, 2U);
  EXPECT_EQ(config->head_dim, 16U);
  EXPECT_EQ(config->rope.n_rotated, 16U);
}

// llama.cpp reads a factor of 0 as none (load_hparams: ropescale == 0.0f ? 1.0f : ...).
TEST(ModelConfig, AScalingFactorOf0IsNone) {
  for (const char* key : {"llama.rope.scaling.factor", "llama.rope.scale_linear"}) {
    const auto config = config_of(tiny(1).scalar<float>(key, wire::kF32, 0.0F));
    ASSERT_TRUE(config.has_value()) << config.error().to_string();
    EXPECT_EQ(config->rope.factor, 1.0);
  }
}

// Whatever passes the checks of a file's header is in range here too: the largest of each.
TEST(ModelConfig, TakesTheLargestThatAreValid) {
  struct Largest {
    const char* key;
    int64_t value;
  };
  for (const Largest& largest :
       {Largest{"llama.attention.key_length", model_limits::kHeadDim},
        Largest{"llama.attention.head_count_kv", 4}, Largest{"llama.rope.dimension_count", 16}}) {
    const auto config = config_of(
        tiny(1).scalar<uint32_t>(largest.key, wire::kU32, static_cast<uint32_t>(largest.value)));
    EXPECT_TRUE(config.has_value()) << config.error().to_string();
  }
}

// Mixtral's files give experts the width of the dense block; others name it.
TEST(ModelConfig, ExpertsTakeTheDenseWidthWhereTheFileNamesNone) {
  const auto experts = [](uint64_t n_more) {
    return tiny(2 + n_more)
        .scalar<uint32_t>("llama.expert_count", wire::kU32, 8)
        .scalar<uint32_t>("llama.expert_used_count", wire::kU32, 2);
  };
  const auto mixtral = config_of(experts(0));
  ASSERT_TRUE(mixtral.has_value()) << mixtral.error().to_string();
  EXPECT_EQ(mixtral->experts.n_experts, 8U);
  EXPECT_EQ(mixtral->experts.n_used, 2U);
  EXPECT_EQ(mixtral->experts.d_ff, 128U);
  EXPECT_EQ(mixtral->d_ff, 0U);
  const auto named =
      config_of(experts(1).scalar<uint32_t>("llama.expert_feed_forward_length", wire::kU32, 32));
  ASSERT_TRUE(named.has_value()) << named.error().to_string();
  EXPECT_EQ(named->experts.d_ff, 32U);
}

TEST(ModelConfig, ExpertsThatAreNoneLeaveTheModelDense) {
  const auto config = config_of(tiny(1).scalar<uint32_t>("llama.expert_count", wire::kU32, 0));
  ASSERT_TRUE(config.has_value()) << config.error().to_string();
  EXPECT_EQ(config->experts.n_experts, 0U);
  EXPECT_EQ(config->d_ff, 128U);
}

// Sigmoid routers (DeepSeek V3) weigh otherwise; computing on as if they did not would be wrong.
TEST(ModelConfig, RefusesARouterThatIsNoSoftmax) {
  const auto config = config_of(tiny(3)
                                    .scalar<uint32_t>("llama.expert_count", wire::kU32, 8)
                                    .scalar<uint32_t>("llama.expert_used_count", wire::kU32, 2)
                                    .scalar<uint32_t>("llama.expert_gating_func", wire::kU32, 2));
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().kind, ErrorKind::unsupported);
  EXPECT_EQ(config.error().what, "expert gating function 2");
}

TEST(ModelConfig, NamesTheTypeOfAWrongValue) {
  const auto config =
      config_of(tiny(1).scalar<float>("llama.rope.scaling.attn_factor", wire::kF32, 0.0F));
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().what, "'llama.rope.scaling.attn_factor' is 0 (f32)");
}

}  // namespace
}  // namespace quern
