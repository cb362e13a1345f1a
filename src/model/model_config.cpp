#include "model/model_config.h"

#include <fmt/format.h>

#include <cmath>

#include "gguf/validate.h"

namespace quern {
namespace {

namespace limits = model_limits;

Error bad(const std::string& what, const std::string& expected) {
  return {.kind = ErrorKind::invalid_input, .where = "model", .what = what, .expected = expected};
}

// Reads keys below the architecture's name.
class Keys {
 public:
  explicit Keys(const ModelCard& card) : card_(card) {}

  std::string full(std::string_view suffix) const {
    return fmt::format("{}.{}", card_.architecture(), suffix);
  }

  // "'llama.block_count' is 1.5 (f32)"
  std::string describe(std::string_view suffix, const MetaValue& value) const {
    return fmt::format("'{}' is {} ({})", full(suffix), value.to_string(), name(value.type()));
  }

  Result<uint32_t> count(std::string_view suffix, int64_t max) const {
    const MetaValue* value = card_.find_arch(suffix);
    if (value == nullptr) {
      return fail(bad(fmt::format("'{}' is missing", full(suffix)),
                      "every hyper-parameter of the architecture"));
    }
    const auto n = value->as_i64();
    if (!n || *n < 1 || *n > max) {
      return fail(bad(describe(suffix, *value), fmt::format("an integer from 1 to {}", max)));
    }
    return static_cast<uint32_t>(*n);
  }

  Result<uint32_t> count_or(std::string_view suffix, int64_t max, uint32_t fallback) const {
    if (card_.find_arch(suffix) == nullptr) {
      return fallback;
    }
    return count(suffix, max);
  }

  // As count_or, but 0 is a value too, as good as none.
  Result<uint32_t> count_or_none(std::string_view suffix, int64_t max) const {
    const MetaValue* value = card_.find_arch(suffix);
    return value != nullptr && value->as_i64() == 0 ? 0 : count_or(suffix, max, 0);
  }

  // A factor of 0 is how some files write that there is none; llama.cpp reads it so.
  Result<double> factor_or(std::string_view suffix, double fallback) const {
    const MetaValue* value = card_.find_arch(suffix);
    return value != nullptr && value->as_f64() == 0.0 ? 1.0 : positive_or(suffix, fallback);
  }

  Result<double> positive_or(std::string_view suffix, double fallback) const {
    const MetaValue* value = card_.find_arch(suffix);
    if (value == nullptr) {
      return fallback;
    }
    const auto number = value->as_f64();
    if (!number || !std::isfinite(*number) || *number <= 0) {
      return fail(bad(describe(suffix, *value), "a positive number"));
    }
    return *number;
  }

 private:
  const ModelCard& card_;
};

Result<RopeScaling> scaling_kind(const ModelCard& card) {
  const MetaValue* value = card.find_arch("rope.scaling.type");
  if (value == nullptr) {
    // Older files give only the factor of linear scaling.
    return card.find_arch("rope.scale_linear") != nullptr ? RopeScaling::linear : RopeScaling::none;
  }
  const auto text = value->as_string().value_or("");
  if (text == "none") {
    return RopeScaling::none;
  }
  if (text == "linear") {
    return RopeScaling::linear;
  }
  if (text == "yarn") {
    return RopeScaling::yarn;
  }
  return fail({.kind = ErrorKind::unsupported,
               .where = "model",
               .what = fmt::format("rope scaling type {}", value->to_string()),
               .expected = "none, linear or yarn"});
}

// Softmax is how routers of the architectures here turn logits into weights; the number is GGUF's.
Status check_gating(const ModelCard& card) {
  constexpr int64_t kSoftmax = 1;
  const MetaValue* value = card.find_arch("expert_gating_func");
  if (value == nullptr || value->as_i64().value_or(-1) == 0 || value->as_i64() == kSoftmax) {
    return {};
  }
  return fail({.kind = ErrorKind::unsupported,
               .where = "model",
               .what = fmt::format("expert gating function {}", value->to_string()),
               .expected = "1 (softmax)"});
}

Status read_experts(const ModelCard& card, ModelConfig& config) {
  const Keys keys(card);
  ExpertsConfig& experts = config.experts;
  QUERN_ASSIGN(experts.n_used, keys.count("expert_used_count", limits::kExpertsUsed));
  if (experts.n_used > experts.n_experts) {
    return fail(bad(fmt::format("{} of {} experts used", experts.n_used, experts.n_experts),
                    "no more than there are"));
  }
  QUERN_ASSIGN(experts.d_ff, keys.count_or_none("expert_feed_forward_length", limits::kHidden));
  if (experts.d_ff == 0) {
    // Mixtral's files: every expert is as wide as a dense block.
    QUERN_ASSIGN(experts.d_ff, keys.count("feed_forward_length", limits::kHidden));
  }
  QUERN_ASSIGN(config.d_ff,
               keys.count_or_none("expert_shared_feed_forward_length", limits::kHidden));
  QUERN_ASSIGN(experts.weights_scale, keys.factor_or("expert_weights_scale", 1.0));
  if (const MetaValue* value = card.find_arch("expert_weights_norm"); value != nullptr) {
    experts.normalise = value->as_bool();
  }
  return check_gating(card);
}

// The width of the dense block, or the experts.
Status read_feed_forward(const ModelCard& card, ModelConfig& config) {
  const Keys keys(card);
  QUERN_ASSIGN(config.experts.n_experts, keys.count_or_none("expert_count", limits::kExperts));
  if (config.experts.n_experts > 0) {
    return read_experts(card, config);
  }
  QUERN_ASSIGN(config.d_ff, keys.count("feed_forward_length", limits::kHidden));
  return {};
}

Status read_rope(const ModelCard& card, ModelConfig& config) {
  const Keys keys(card);
  RopeConfig& rope = config.rope;
  QUERN_ASSIGN(rope.n_rotated,
               keys.count_or("rope.dimension_count", config.head_dim, config.head_dim));
  if (rope.n_rotated % 2 != 0) {
    return fail(bad(fmt::format("'{}' is {}", keys.full("rope.dimension_count"), rope.n_rotated),
                    "an even number"));
  }
  QUERN_ASSIGN(rope.base, keys.positive_or("rope.freq_base", 10000.0));
  QUERN_ASSIGN(rope.scaling, scaling_kind(card));
  QUERN_ASSIGN(const double legacy, keys.factor_or("rope.scale_linear", 1.0));
  QUERN_ASSIGN(rope.factor, keys.factor_or("rope.scaling.factor", legacy));
  QUERN_ASSIGN(rope.original_context, keys.count_or("rope.scaling.original_context_length",
                                                    limits::kContext, config.max_context));
  QUERN_ASSIGN(rope.attention_factor, keys.positive_or("rope.scaling.attn_factor", 1.0));
  QUERN_ASSIGN(rope.beta_fast, keys.positive_or("rope.scaling.yarn_beta_fast", 32.0));
  QUERN_ASSIGN(rope.beta_slow, keys.positive_or("rope.scaling.yarn_beta_slow", 1.0));
  return {};
}

// The pair that makes `turns` full turns within the original context (YaRN, section 3.2).
double pair_of_turns(const RopeConfig& rope, double turns) {
  return rope.n_rotated * std::log(rope.original_context / (turns * 2.0 * M_PI)) /
         (2.0 * std::log(rope.base));
}

// 1 where a pair keeps its speed, 0 where it is slowed by the full factor.
double yarn_keep(const RopeConfig& rope, double pair) {
  const double low = std::max(0.0, std::floor(pair_of_turns(rope, rope.beta_fast)));
  const double high =
      std::min<double>(rope.n_rotated - 1.0, std::ceil(pair_of_turns(rope, rope.beta_slow)));
  const double ramp = (pair - low) / std::max(0.001, high - low);
  return 1.0 - std::min(1.0, std::max(0.0, ramp));
}

}  // namespace

Result<ModelConfig> read_model_config(const ModelCard& card) {
  const Keys keys(card);
  ModelConfig config;
  config.architecture = card.architecture();
  QUERN_ASSIGN(config.n_layers, keys.count("block_count", limits::kLayers));
  QUERN_ASSIGN(config.d_model, keys.count("embedding_length", limits::kWidth));
  QUERN_TRY(read_feed_forward(card, config));
  QUERN_ASSIGN(config.n_heads, keys.count("attention.head_count", limits::kHeads));
  QUERN_ASSIGN(config.n_kv_heads,
               keys.count_or("attention.head_count_kv", limits::kHeads, config.n_heads));
  QUERN_ASSIGN(config.max_context, keys.count("context_length", limits::kContext));
  if (config.n_heads % config.n_kv_heads != 0) {
    return fail(bad(fmt::format("{} heads over {} KV heads", config.n_heads, config.n_kv_heads),
                    "a whole number of heads per KV head"));
  }
  if (card.find_arch("attention.key_length") == nullptr && config.d_model % config.n_heads != 0) {
    return fail(
        bad(fmt::format("embedding length {} over {} heads", config.d_model, config.n_heads),
            "a whole number of dimensions per head"));
  }
  QUERN_ASSIGN(config.head_dim, keys.count_or("attention.key_length", limits::kHeadDim,
                                              std::max(1U, config.d_model / config.n_heads)));
  QUERN_ASSIGN(const uint32_t value_dim,
               keys.count_or("attention.value_length", limits::kHeadDim, config.head_dim));
  if (config.head_dim > limits::kHeadDim || value_dim != config.head_dim) {
    return fail(
        bad(fmt::format("heads of {} key and {} value dimensions", config.head_dim, value_dim),
            fmt::format("equal ones, at most {}", limits::kHeadDim)));
  }
  const double eps =
      card.find_arch("attention.layer_norm_rms_epsilon") == nullptr
          ? 1e-5
          : card.find_arch("attention.layer_norm_rms_epsilon")->as_f64().value_or(-1);
  if (!std::isfinite(eps) || eps <= 0 || eps >= 1) {
    return fail(bad(fmt::format("norm epsilon {}", eps), "a small positive number"));
  }
  config.rms_eps = static_cast<float>(eps);
  QUERN_TRY(read_rope(card, config));
  return config;
}

RopeSpec make_rope_spec(const RopeConfig& rope, bool interleaved) {
  RopeSpec spec;
  spec.interleaved = interleaved;
  const uint32_t n_pairs = rope.n_rotated / 2;
  for (uint32_t pair = 0; pair < n_pairs; ++pair) {
    double frequency = std::pow(rope.base, -2.0 * pair / rope.n_rotated);
    if (!rope.frequency_divisors.empty()) {
      frequency /= static_cast<double>(rope.frequency_divisors[pair]);
    }
    if (rope.scaling == RopeScaling::linear) {
      frequency /= rope.factor;
    } else if (rope.scaling == RopeScaling::yarn) {
      const double keep = yarn_keep(rope, pair);
      frequency = frequency * keep + frequency / rope.factor * (1.0 - keep);
    }
    spec.inverse_frequencies.push_back(frequency);
  }
  if (rope.scaling == RopeScaling::yarn) {
    // Peng et al., equation 22: the temperature that softened attention needs.
    spec.magnitude = rope.attention_factor * (1.0 + 0.1 * std::log(rope.factor));
  }
  return spec;
}

}  // namespace quern
