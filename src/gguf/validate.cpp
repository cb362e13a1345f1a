#include "gguf/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>

#include "text/printable.h"

namespace quern {
namespace {

std::unexpected<Error> refused(std::string what, std::string expected) {
  return fail({.kind = ErrorKind::invalid_input,
               .where = "gguf",
               .what = std::move(what),
               .expected = std::move(expected)});
}

std::unexpected<Error> refused(std::string_view key, const MetaValue& value, std::string expected) {
  return refused(fmt::format("{} is {} ({})", printable(key), value.to_string(),
                             value.is_array() ? "array" : name(value.type())),
                 std::move(expected));
}

struct IntegerRule {
  std::string_view suffix;  // after "<architecture>."
  int64_t min;
  int64_t max;
  bool per_layer = false;  // may be an array of block_count values, each of which may also be 0
};

namespace limits = model_limits;

constexpr std::array kIntegerRules = {
    IntegerRule{"block_count", 1, limits::kLayers},
    IntegerRule{"context_length", 1, limits::kContext},
    IntegerRule{"embedding_length", 1, limits::kWidth},
    IntegerRule{"vocab_size", 1, 1 << 26},
    IntegerRule{"feed_forward_length", 0, limits::kHidden, true},
    IntegerRule{"expert_feed_forward_length", 0, limits::kHidden},
    IntegerRule{"expert_shared_feed_forward_length", 0, limits::kHidden},
    IntegerRule{"expert_count", 0, limits::kExperts},
    IntegerRule{"expert_used_count", 0, limits::kExpertsUsed},
    IntegerRule{"expert_shared_count", 0, limits::kExperts},
    IntegerRule{"leading_dense_block_count", 0, limits::kLayers},
    IntegerRule{"attention.head_count", 1, limits::kHeads, true},
    IntegerRule{"attention.head_count_kv", 1, limits::kHeads, true},
    IntegerRule{"attention.key_length", 1, limits::kHeadDim},
    IntegerRule{"attention.value_length", 1, limits::kHeadDim},
    IntegerRule{"attention.sliding_window", 0, INT32_MAX},
    IntegerRule{"rope.dimension_count", 1, limits::kHeadDim},
    IntegerRule{"rope.scaling.original_context_length", 1, limits::kContext},
};

struct FloatRule {
  std::string_view suffix;
  double min;
  double max;
};

constexpr double kAnyFinite = 3.5e38;
constexpr double kSmallestEps = 1e-30;

constexpr std::array kFloatRules = {
    FloatRule{"attention.layer_norm_epsilon", kSmallestEps, 1.0},
    FloatRule{"attention.layer_norm_rms_epsilon", kSmallestEps, 1.0},
    FloatRule{"attention.group_norm_epsilon", kSmallestEps, 1.0},
    FloatRule{"attention.scale", 0, kAnyFinite},
    FloatRule{"attention.clamp_kqv", 0, kAnyFinite},
    FloatRule{"attention.max_alibi_bias", 0, kAnyFinite},
    FloatRule{"attn_logit_softcapping", 0, kAnyFinite},
    FloatRule{"final_logit_softcapping", 0, kAnyFinite},
    FloatRule{"logit_scale", -kAnyFinite, kAnyFinite},
    FloatRule{"residual_scale", -kAnyFinite, kAnyFinite},
    FloatRule{"embedding_scale", -kAnyFinite, kAnyFinite},
    FloatRule{"expert_weights_scale", -kAnyFinite, kAnyFinite},
    FloatRule{"rope.freq_base", 1e-3, kAnyFinite},
    FloatRule{"rope.freq_base_swa", 1e-3, kAnyFinite},
    FloatRule{"rope.scale_linear", 0, kAnyFinite},
    FloatRule{"rope.scaling.factor", 0, kAnyFinite},
    FloatRule{"rope.scaling.attn_factor", 0, kAnyFinite},
    FloatRule{"rope.scaling.yarn_ext_factor", -kAnyFinite, kAnyFinite},
    FloatRule{"rope.scaling.yarn_attn_factor", -kAnyFinite, kAnyFinite},
    FloatRule{"rope.scaling.yarn_beta_fast", 0, kAnyFinite},
    FloatRule{"rope.scaling.yarn_beta_slow", 0, kAnyFinite},
    FloatRule{"rope.scaling.yarn_log_multiplier", -kAnyFinite, kAnyFinite},
};

// N of a name "blk.N.<part>".
std::optional<int64_t> block_of(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  if (!name.starts_with(kPrefix)) {
    return std::nullopt;
  }
  name.remove_prefix(kPrefix.size());
  int64_t block = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), block);
  const bool is_block = error == std::errc() && end != name.data() + name.size() && *end == '.';
  return is_block ? std::optional(block) : std::nullopt;
}

class HyperParameters {
 public:
  explicit HyperParameters(const ModelCard& card) : card_(card) {}

  Status check() const {
    for (const IntegerRule& rule : kIntegerRules) {
      QUERN_TRY(check_integer(rule));
    }
    for (const FloatRule& rule : kFloatRules) {
      QUERN_TRY(check_float(rule));
    }
    QUERN_TRY(check_type("rope.scaling.type", MetaType::string));
    QUERN_TRY(check_type("attention.causal", MetaType::boolean));
    QUERN_TRY(check_type("expert_weights_norm", MetaType::boolean));
    QUERN_TRY(check_experts());
    QUERN_TRY(check_heads());
    QUERN_TRY(check_blocks());
    return check_rope();
  }

 private:
  std::string key(std::string_view suffix) const {
    return fmt::format("{}.{}", card_.architecture(), suffix);
  }

  std::optional<int64_t> integer(std::string_view suffix) const {
    const MetaValue* value = card_.find_arch(suffix);
    return value == nullptr ? std::nullopt : value->as_i64();
  }

  // State-space and RWKV models have no attention, and write 0 heads.
  bool has_attention() const {
    return card_.find_arch("ssm.state_size") == nullptr &&
           card_.find_arch("wkv.head_size") == nullptr;
  }

  Status check_integer(const IntegerRule& rule) const {
    const MetaValue* value = card_.find_arch(rule.suffix);
    if (value == nullptr) {
      return {};
    }
    if (value->is_array() && rule.per_layer) {
      return check_per_layer(rule, *value);
    }
    const int64_t min = rule.per_layer && !has_attention() ? 0 : rule.min;
    const auto n = value->as_i64();
    if (!n || *n < min || *n > rule.max) {
      return refused(key(rule.suffix), *value,
                     fmt::format("an integer from {} to {}", min, rule.max));
    }
    return {};
  }

  Status check_per_layer(const IntegerRule& rule, const MetaValue& value) const {
    const auto n_layers = integer("block_count");
    if (n_layers && value.n_elements() != static_cast<uint64_t>(*n_layers)) {
      return refused(key(rule.suffix), value,
                     fmt::format("one value for each of {} layers", *n_layers));
    }
    const auto numbers = value.as_i64s();
    const bool sane = numbers && std::ranges::all_of(
                                     *numbers, [&](int64_t n) { return n >= 0 && n <= rule.max; });
    if (!sane) {
      return refused(key(rule.suffix), value, fmt::format("integers from 0 to {}", rule.max));
    }
    return {};
  }

  Status check_float(const FloatRule& rule) const {
    const MetaValue* value = card_.find_arch(rule.suffix);
    if (value == nullptr) {
      return {};
    }
    const auto x = value->as_f64();
    if (!x || !std::isfinite(*x) || *x < rule.min || *x > rule.max) {
      return refused(key(rule.suffix), *value,
                     rule.min == -kAnyFinite
                         ? "a finite number"
                         : fmt::format("a finite number from {:g} to {:g}", rule.min, rule.max));
    }
    return {};
  }

  Status check_type(std::string_view suffix, MetaType type) const {
    const MetaValue* value = card_.find_arch(suffix);
    if (value != nullptr && value->type() != type) {
      return refused(key(suffix), *value, fmt::format("a {}", name(type)));
    }
    return {};
  }

  Status check_experts() const {
    const int64_t n_experts = integer("expert_count").value_or(0);
    const int64_t n_used = integer("expert_used_count").value_or(0);
    if (n_used > n_experts || (n_experts > 0 && n_used == 0)) {
      return refused(
          fmt::format("{} is {} of {} experts", key("expert_used_count"), n_used, n_experts),
          "at least 1 and no more than expert_count");
    }
    return {};
  }

  // Heads of one layer or of all; a per-layer array counts by its layer.
  std::vector<int64_t> heads(std::string_view suffix) const {
    const MetaValue* value = card_.find_arch(suffix);
    if (value == nullptr) {
      return {};
    }
    if (value->is_array()) {
      return value->as_i64s().value_or(std::vector<int64_t>());
    }
    return {value->as_i64().value_or(0)};
  }

  Status check_heads() const {
    const std::vector<int64_t> q = heads("attention.head_count");
    const std::vector<int64_t> kv = heads("attention.head_count_kv");
    const size_t n = q.empty() || kv.empty() ? 0 : std::max(q.size(), kv.size());
    for (size_t i = 0; i < n; ++i) {
      const int64_t n_q = q[std::min(i, q.size() - 1)];
      const int64_t n_kv = kv[std::min(i, kv.size() - 1)];
      if (n_q != 0 && n_kv != 0 && n_q % n_kv != 0) {
        return refused(fmt::format("{} heads and {} key-value heads", n_q, n_kv),
                       "a head count that its key-value heads divide");
      }
    }
    const auto width = integer("embedding_length");
    if (!width || card_.find_arch("attention.key_length") != nullptr) {
      return {};
    }
    for (const int64_t n_q : q) {
      if (n_q != 0 && *width % n_q != 0) {
        return refused(
            fmt::format("{} heads do not divide {} {}", n_q, key("embedding_length"), *width),
            "a head count that divides it, or attention.key_length");
      }
    }
    return {};
  }

  // A layer that block_count leaves out would be missing from every answer without a word.
  Status check_blocks() const {
    const auto n_layers = integer("block_count");
    for (const TensorInfo& tensor : card_.tensors()) {
      const auto block = block_of(tensor.name);
      if (n_layers && block && *block >= *n_layers) {
        return refused(fmt::format("tensor '{}' belongs to layer {} of {}", printable(tensor.name),
                                   *block, *n_layers),
                       fmt::format("{} above the last layer's number", key("block_count")));
      }
    }
    return {};
  }

  Status check_rope() const {
    const auto n_rot = integer("rope.dimension_count");
    if (!n_rot) {
      return {};
    }
    if (*n_rot % 2 != 0) {
      return refused(fmt::format("{} is {}", key("rope.dimension_count"), *n_rot),
                     "an even number");
    }
    auto head_dim = integer("attention.key_length");
    const auto width = integer("embedding_length");
    const std::vector<int64_t> q = heads("attention.head_count");
    if (!head_dim && width && q.size() == 1 && q[0] != 0) {
      head_dim = *width / q[0];
    }
    if (head_dim && *n_rot > *head_dim) {
      return refused(
          fmt::format("{} is {} in heads of {}", key("rope.dimension_count"), *n_rot, *head_dim),
          "at most a head's size");
    }
    return {};
  }

  const ModelCard& card_;
};

Status check_architecture(const ModelCard& card) {
  const MetaValue* value = card.find("general.architecture");
  const auto text = card.string("general.architecture");
  constexpr size_t max_chars = 64;
  const bool sane = text && !text->empty() && text->size() <= max_chars &&
                    std::ranges::all_of(*text, [](char c) { return c > ' ' && c < 0x7f; });
  if (!sane) {
    return refused(value == nullptr
                       ? "no general.architecture"
                       : fmt::format("general.architecture is '{}'", value->to_string()),
                   "the architecture's name");
  }
  return {};
}

}  // namespace

Status detail::validate_hyper_parameters(const ModelCard& card) {
  return HyperParameters(card).check();
}

Status validate_card(const ModelCard& card) {
  QUERN_TRY(check_architecture(card));
  QUERN_TRY(detail::validate_hyper_parameters(card));
  return detail::validate_tokenizer(card);
}

}  // namespace quern
