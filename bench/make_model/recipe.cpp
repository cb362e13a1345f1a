#include "recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace quern::make_model {
namespace {

struct Format {
  const char* name;
  DType base;
  uint32_t file_type;   // llama.cpp's include/llama.h, enum llama_ftype
  bool is_mix = false;  // some attn_v and ffn_down take Q6_K
};

constexpr std::array kFormats = {
    Format{"F32", DType::f32, 0},
    Format{"F16", DType::f16, 1},
    Format{"BF16", DType::bf16, 32},
    Format{"Q4_0", DType::q4_0, 2},
    Format{"Q4_1", DType::q4_1, 3},
    Format{"Q5_0", DType::q5_0, 8},
    Format{"Q5_1", DType::q5_1, 9},
    Format{"Q8_0", DType::q8_0, 7},
    Format{"Q4_K", DType::q4_k, 14},
    Format{"Q5_K", DType::q5_k, 16},
    Format{"Q6_K", DType::q6_k, 18},
    Format{"IQ4_NL", DType::iq4_nl, 25},
    Format{"IQ4_XS", DType::iq4_xs, 30},
    Format{"Q4_K_M", DType::q4_k, 15, true},
    Format{"Q5_K_M", DType::q5_k, 17, true},
};

const Format* find_format(const std::string& name) {
  const auto* at = std::ranges::find(kFormats, name, [](const Format& f) { return f.name; });
  return at == kFormats.end() ? nullptr : at;
}

Status wrong(const std::string& what, const std::string& expected) {
  return fail(
      {.kind = ErrorKind::usage, .where = "make_model", .what = what, .expected = expected});
}

// The layers whose attn_v and ffn_down a mixture gives more bits: the first and last eighth, and
// every third between.
bool takes_more_bits(uint32_t layer, uint32_t n_layers) {
  const uint32_t eighth = n_layers / 8;
  return layer < eighth || layer >= 7 * n_layers / 8 || (layer - eighth) % 3 == 2;
}

class Planner {
 public:
  explicit Planner(const Recipe& recipe) : r_(recipe), format_(*find_format(recipe.format)) {}

  std::vector<PlannedTensor> run() {
    matrix("token_embd.weight", format_.base, {r_.vocab_size, r_.d_model});
    plain("output_norm.weight", {r_.d_model});
    matrix("output.weight", head_type(), {r_.vocab_size, r_.d_model});
    for (uint32_t i = 0; i < r_.n_layers; ++i) {
      layer_ = i;
      attention();
      feed_forward();
    }
    return std::move(list_);
  }

 private:
  bool is_quantised() const { return traits(format_.base).quantised; }
  // Mixtral's kind, for which the attention's share of the file is small.
  bool has_8_experts() const { return is_quantised() && r_.n_experts == 8; }

  DType head_type() const {
    if (!is_quantised() || format_.base == DType::q8_0) {
      return format_.base;
    }
    return r_.d_model % traits(DType::q6_k).block_elements == 0 ? DType::q6_k : DType::q8_0;
  }
  DType mixed() const {
    return format_.is_mix && takes_more_bits(layer_, r_.n_layers) ? DType::q6_k : format_.base;
  }
  DType k_type() const { return has_8_experts() ? DType::q8_0 : format_.base; }
  DType v_type() const { return has_8_experts() ? DType::q8_0 : mixed(); }
  DType out_type() const {
    return r_.n_experts == 8 && format_.base == DType::q4_k ? DType::q5_k : format_.base;
  }

  std::string named(const char* suffix) const {
    return fmt::format("blk.{}.{}.weight", layer_, suffix);
  }
  void matrix(std::string name, DType dtype, const Shape& shape) {
    list_.push_back({.name = std::move(name), .dtype = dtype, .shape = shape});
  }
  void plain(std::string name, const Shape& shape) { matrix(std::move(name), DType::f32, shape); }

  void attention() {
    plain(named("attn_norm"), {r_.d_model});
    matrix(named("attn_q"), format_.base, {r_.q_width(), r_.d_model});
    matrix(named("attn_k"), k_type(), {r_.kv_width(), r_.d_model});
    matrix(named("attn_v"), v_type(), {r_.kv_width(), r_.d_model});
    matrix(named("attn_output"), out_type(), {r_.d_model, r_.q_width()});
    if (r_.has_head_norms()) {
      plain(named("attn_q_norm"), {r_.head_dim});
      plain(named("attn_k_norm"), {r_.head_dim});
    }
  }

  void feed_forward() {
    plain(named("ffn_norm"), {r_.d_model});
    if (r_.n_experts == 0) {
      matrix(named("ffn_gate"), format_.base, {r_.d_ff, r_.d_model});
      matrix(named("ffn_up"), format_.base, {r_.d_ff, r_.d_model});
      matrix(named("ffn_down"), mixed(), {r_.d_model, r_.d_ff});
      return;
    }
    plain(named("ffn_gate_inp"), {r_.n_experts, r_.d_model});
    matrix(named("ffn_gate_exps"), format_.base, {r_.n_experts, r_.d_ff, r_.d_model});
    matrix(named("ffn_up_exps"), format_.base, {r_.n_experts, r_.d_ff, r_.d_model});
    matrix(named("ffn_down_exps"), mixed(), {r_.n_experts, r_.d_model, r_.d_ff});
  }

  const Recipe& r_;
  const Format& format_;
  uint32_t layer_ = 0;
  std::vector<PlannedTensor> list_;
};

}  // namespace

std::vector<std::string> format_names() {
  std::vector<std::string> names;
  for (const Format& format : kFormats) {
    names.emplace_back(format.name);
  }
  return names;
}

uint32_t file_type(const std::string& format) {
  return find_format(format)->file_type;
}

Status check(const Recipe& r) {
  const Format* format = find_format(r.format);
  if (format == nullptr) {
    return wrong(fmt::format("format '{}' is unknown", r.format), "one that --help lists");
  }
  if ((r.architecture == "qwen3moe") != (r.n_experts > 0) && r.architecture != "llama") {
    return wrong(fmt::format("{} with {} experts", r.architecture, r.n_experts),
                 "qwen3moe with --experts, qwen3 without");
  }
  if (r.n_experts_used > r.n_experts || (r.n_experts > 0 && r.n_experts_used == 0)) {
    return wrong(fmt::format("{} of {} experts used", r.n_experts_used, r.n_experts),
                 "--experts-used from 1 to --experts");
  }
  if (r.n_heads % r.n_kv_heads != 0 || r.head_dim % 2 != 0) {
    return wrong(
        fmt::format("{} heads of {} dimensions, {} KV heads", r.n_heads, r.head_dim, r.n_kv_heads),
        "a multiple of --kv-heads, and an even --head-dim");
  }
  // Quantised rows are whole blocks of every type of the mixture; 32 is what kernels step by.
  const uint32_t step = std::max(32U, traits(format->base).block_elements);
  for (const uint32_t width : {r.d_model, r.d_ff, r.q_width()}) {
    if (width % step != 0) {
      return wrong(
          fmt::format("rows of {} numbers in {}", width, r.format),
          fmt::format("multiples of {} for --d-model, --d-ff and --heads x --head-dim", step));
    }
  }
  return {};
}

std::vector<PlannedTensor> plan(const Recipe& recipe) {
  return Planner(recipe).run();
}

}  // namespace quern::make_model
