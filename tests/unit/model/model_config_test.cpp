#include "model/model_config.h"

#include <gtest/gtest.h>

#include <cmath>

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

// What a file's checks let through, or another maker of cards may hand over.
std::string refusal(const RawGguf& file) {
  const auto card = parse_model_card(file.bytes(), file.bytes().size());
  EXPECT_TRUE(card.has_value());
  const auto config = read_model_config(*card);
  return config ? "none" : config.error().to_string();
}

RawGguf with(const char* key, uint32_t value) {
  return tiny(1).scalar<uint32_t>(key, wire::kU32, value);
}

TEST(ModelConfig, RefusesNumbersThatDoNotGoTogether) {
  EXPECT_EQ(refusal(with("llama.attention.head_count_kv", 3)),
            "[model] 4 heads over 3 KV heads; expected a whole number of heads per KV head");
  EXPECT_EQ(refusal(with("llama.attention.value_length", 8)),
            "[model] heads of 16 key and 8 value dimensions; expected equal ones, at most 1024");
  EXPECT_EQ(refusal(with("llama.rope.dimension_count", 15)),
            "[model] 'llama.rope.dimension_count' is 15; expected an even number");
  EXPECT_EQ(refusal(with("llama.rope.dimension_count", 18)),
            "[model] 'llama.rope.dimension_count' is 18 (u32); expected an integer from 1 to 16");
  EXPECT_EQ(refusal(tiny(2)
                        .scalar<uint32_t>("llama.expert_count", wire::kU32, 2)
                        .scalar<uint32_t>("llama.expert_used_count", wire::kU32, 3)),
            "[model] 3 of 2 experts used; expected no more than there are");
  for (const float epsilon : {0.0F, -1.0F, 1.5F}) {
    EXPECT_NE(refusal(tiny(1).scalar<float>("llama.attention.layer_norm_rms_epsilon", wire::kF32,
                                            epsilon))
                  .find("norm epsilon"),
              std::string::npos)
        << epsilon;
  }
}

TEST(ModelConfig, NamesWhatIsMissing) {
  EXPECT_EQ(refusal(RawGguf().header(0, 1).text("general.architecture", "llama")),
            "[model] 'llama.block_count' is missing; expected every hyper-parameter of the "
            "architecture");
}

TEST(ModelConfig, HeadsThatDoNotDivideTheWidthNeedALengthOfTheirOwn) {
  const auto wide = [](uint64_t n_more) {
    return RawGguf()
        .header(0, 6 + n_more)
        .text("general.architecture", "llama")
        .scalar<uint32_t>("llama.block_count", wire::kU32, 2)
        .scalar<uint32_t>("llama.embedding_length", wire::kU32, 66)
        .scalar<uint32_t>("llama.feed_forward_length", wire::kU32, 128)
        .scalar<uint32_t>("llama.attention.head_count", wire::kU32, 4)
        .scalar<uint32_t>("llama.context_length", wire::kU32, 256);
  };
  EXPECT_EQ(refusal(wide(0)),
            "[model] embedding length 66 over 4 heads; expected a whole number of dimensions per "
            "head");
  EXPECT_EQ(refusal(wide(1).scalar<uint32_t>("llama.attention.key_length", wire::kU32, 16)),
            "none");
}

// GGUF's documentation names the three kinds; others are made by later models.
TEST(ModelConfig, ReadsTheKindOfRopeScaling) {
  const auto kind = [](const char* text) {
    return config_of(tiny(1).text("llama.rope.scaling.type", text));
  };
  EXPECT_EQ(kind("none")->rope.scaling, RopeScaling::none);
  EXPECT_EQ(kind("linear")->rope.scaling, RopeScaling::linear);
  EXPECT_EQ(kind("yarn")->rope.scaling, RopeScaling::yarn);
  const auto other = kind("longrope");
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().kind, ErrorKind::unsupported);
  EXPECT_EQ(other.error().what, "rope scaling type longrope");
}

// Chen et al. 2023, position interpolation: every position, so every angle, shrinks by the factor.
TEST(ModelConfig, LinearScalingSlowsEveryPairAlike) {
  RopeConfig rope;
  rope.n_rotated = 8;
  rope.base = 10000.0;
  const auto plain = make_rope_spec(rope, false).inverse_frequencies;
  rope.scaling = RopeScaling::linear;
  rope.factor = 4.0;
  const auto scaled = make_rope_spec(rope, false).inverse_frequencies;
  ASSERT_EQ(scaled.size(), 4U);
  for (size_t pair = 0; pair < 4; ++pair) {
    EXPECT_DOUBLE_EQ(plain[pair], std::pow(10.0, -static_cast<double>(pair)));
    EXPECT_DOUBLE_EQ(scaled[pair], plain[pair] / 4.0);
  }
}

TEST(ModelConfig, NamesTheTypeOfAWrongValue) {
  const auto config =
      config_of(tiny(1).scalar<float>("llama.rope.scaling.attn_factor", wire::kF32, 0.0F));
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().what, "'llama.rope.scaling.attn_factor' is 0 (f32)");
}

}  // namespace
}  // namespace quern
