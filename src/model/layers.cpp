#include "model/layers.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace quern {

std::string layer_tensor(uint32_t layer, std::string_view suffix) {
  return fmt::format("blk.{}.{}", layer, suffix);
}

Result<AttentionWeights> load_attention(WeightLoader& loader, const ModelConfig& config,
                                        const AttentionSpec& spec) {
  const auto named = [&](std::string_view suffix) { return layer_tensor(spec.layer, suffix); };
  const uint32_t q_width = config.n_heads * config.head_dim;
  const uint32_t kv_width = config.n_kv_heads * config.head_dim;
  AttentionWeights w;
  QUERN_ASSIGN(w.norm, loader.vector(named("attn_norm.weight"), config.d_model));
  QUERN_ASSIGN(w.q, loader.matrix(named("attn_q.weight"), q_width, config.d_model));
  QUERN_ASSIGN(w.k, loader.matrix(named("attn_k.weight"), kv_width, config.d_model));
  QUERN_ASSIGN(w.v, loader.matrix(named("attn_v.weight"), kv_width, config.d_model));
  QUERN_ASSIGN(w.out, loader.matrix(named("attn_output.weight"), config.d_model, q_width));
  QUERN_ASSIGN(w.q_bias, loader.optional_vector(named("attn_q.bias"), q_width));
  QUERN_ASSIGN(w.k_bias, loader.optional_vector(named("attn_k.bias"), kv_width));
  QUERN_ASSIGN(w.v_bias, loader.optional_vector(named("attn_v.bias"), kv_width));
  QUERN_ASSIGN(w.out_bias, loader.optional_vector(named("attn_output.bias"), config.d_model));
  if (spec.qk_norm) {
    QUERN_ASSIGN(w.q_norm, loader.vector(named("attn_q_norm.weight"), config.head_dim));
    QUERN_ASSIGN(w.k_norm, loader.vector(named("attn_k_norm.weight"), config.head_dim));
  }
  return w;
}

Result<FfnWeights> load_ffn(WeightLoader& loader, const ModelConfig& config, uint32_t layer) {
  const auto named = [&](std::string_view suffix) { return layer_tensor(layer, suffix); };
  FfnWeights w;
  QUERN_ASSIGN(w.norm, loader.vector(named("ffn_norm.weight"), config.d_model));
  QUERN_ASSIGN(w.gate, loader.matrix(named("ffn_gate.weight"), config.d_ff, config.d_model));
  QUERN_ASSIGN(w.up, loader.matrix(named("ffn_up.weight"), config.d_ff, config.d_model));
  QUERN_ASSIGN(w.down, loader.matrix(named("ffn_down.weight"), config.d_model, config.d_ff));
  QUERN_ASSIGN(w.gate_bias, loader.optional_vector(named("ffn_gate.bias"), config.d_ff));
  QUERN_ASSIGN(w.up_bias, loader.optional_vector(named("ffn_up.bias"), config.d_ff));
  QUERN_ASSIGN(w.down_bias, loader.optional_vector(named("ffn_down.bias"), config.d_model));
  return w;
}

Status need_experts(const ModelConfig& config) {
  if (config.experts.n_experts > 0) {
    return {};
  }
  return fail({.kind = ErrorKind::invalid_input,
               .where = "model",
               .what = fmt::format("'{}.expert_count' is missing or 0", config.architecture),
               .expected = "the number of experts"});
}

Result<ExpertWeights> load_experts(WeightLoader& loader, const ModelConfig& config,
                                   uint32_t layer) {
  const auto named = [&](std::string_view suffix) { return layer_tensor(layer, suffix); };
  const auto& [n_experts, n_used, d_ff, normalise, weights_scale] = config.experts;
  const uint32_t d_model = config.d_model;
  ExpertWeights w;
  QUERN_ASSIGN(w.norm, loader.vector(named("ffn_norm.weight"), d_model));
  QUERN_ASSIGN(w.router, loader.matrix(named("ffn_gate_inp.weight"), n_experts, d_model));
  QUERN_ASSIGN(w.gate, loader.experts(named("ffn_gate"), {n_experts, d_ff, d_model}));
  QUERN_ASSIGN(w.up, loader.experts(named("ffn_up"), {n_experts, d_ff, d_model}));
  QUERN_ASSIGN(w.down, loader.experts(named("ffn_down"), {n_experts, d_model, d_ff}));
  if (config.d_ff == 0) {
    return w;
  }
  QUERN_ASSIGN(w.shared_router, loader.matrix(named("ffn_gate_inp_shexp.weight"), 1, d_model));
  QUERN_ASSIGN(w.shared_gate, loader.matrix(named("ffn_gate_shexp.weight"), config.d_ff, d_model));
  QUERN_ASSIGN(w.shared_up, loader.matrix(named("ffn_up_shexp.weight"), config.d_ff, d_model));
  QUERN_ASSIGN(w.shared_down, loader.matrix(named("ffn_down_shexp.weight"), d_model, config.d_ff));
  return w;
}

Result<std::unique_ptr<Rope>> load_rope(WeightLoader& loader, ModelConfig& config,
                                        bool interleaved) {
  if (loader.has("rope_freqs.weight")) {
    QUERN_ASSIGN(config.rope.frequency_divisors,
                 loader.host_vector("rope_freqs.weight", config.rope.n_rotated / 2));
    for (const float divisor : config.rope.frequency_divisors) {
      if (!std::isfinite(divisor) || divisor <= 0) {
        return fail({.kind = ErrorKind::invalid_input,
                     .where = "model",
                     .what = fmt::format("tensor 'rope_freqs.weight' holds {}", divisor),
                     .expected = "positive numbers"});
      }
    }
  }
  return loader.backend().make_rope(make_rope_spec(config.rope, interleaved));
}

namespace {

// A projection of the normed rows, and what becomes of it before attention.
struct Heads {
  LinearTarget target;
  const Vector* norm = nullptr;  // null for none
  uint32_t n_heads = 0;
};

Heads query_heads(const BlockContext& context, const AttentionWeights& w) {
  return {.target = {.weight = w.q.get(), .bias = w.q_bias.get(), .out = context.a.q.get()},
          .norm = w.q_norm.get(),
          .n_heads = context.config.n_heads};
}

Heads key_heads(const BlockContext& context, const AttentionWeights& w) {
  return {.target = {.weight = w.k.get(), .bias = w.k_bias.get(), .out = context.a.k.get()},
          .norm = w.k_norm.get(),
          .n_heads = context.config.n_kv_heads};
}

LinearTarget values(const BlockContext& context, const AttentionWeights& w) {
  return {.weight = w.v.get(), .bias = w.v_bias.get(), .out = context.a.v.get()};
}

void norm_input(const BlockContext& context, const AttentionWeights& w) {
  context.backend.rms_norm({.x = context.a.x.get(),
                            .weight = w.norm.get(),
                            .out = context.a.h.get(),
                            .n_rows = context.n_rows,
                            .eps = context.config.rms_eps});
}

void project(const BlockContext& context, std::span<const LinearTarget> targets) {
  context.backend.linear({.x = context.a.h.get(), .targets = targets, .n_rows = context.n_rows});
}

void norm_and_turn(const BlockContext& context, const Heads& heads) {
  Activations& x = *heads.target.out;
  if (heads.norm != nullptr) {
    context.backend.rms_norm({.x = &x,
                              .weight = heads.norm,
                              .out = &x,
                              .n_rows = context.n_rows,
                              .n_heads = heads.n_heads,
                              .eps = context.config.rms_eps});
  }
  context.backend.rope({.x = &x,
                        .rope = &context.rope,
                        .n_heads = heads.n_heads,
                        .head_dim = context.config.head_dim});
}

void attend(const BlockContext& context, const AttentionWeights& w, uint32_t layer) {
  const auto& [backend, kv, config, a, rope, n_rows] = context;
  backend.attention({.kv = &kv,
                     .layer = layer,
                     .q = a.q.get(),
                     .out = a.attended.get(),
                     .n_heads = config.n_heads,
                     .scale = 1.0F / std::sqrt(static_cast<float>(config.head_dim))});
  const LinearTarget out{.weight = w.out.get(), .bias = w.out_bias.get(), .out = a.h.get()};
  backend.linear({.x = a.attended.get(), .targets = {&out, 1}, .n_rows = n_rows});
  backend.add(*a.x, *a.h, n_rows);
}

}  // namespace

void run_attention(const BlockContext& context, const AttentionWeights& w, uint32_t layer) {
  const Heads q = query_heads(context, w);
  const Heads k = key_heads(context, w);
  const std::array<LinearTarget, 3> qkv = {q.target, k.target, values(context, w)};
  norm_input(context, w);
  project(context, qkv);
  norm_and_turn(context, q);
  norm_and_turn(context, k);
  const ModelActivations& a = context.a;
  context.backend.kv_write({.kv = &context.kv, .layer = layer, .k = a.k.get(), .v = a.v.get()});
  attend(context, w, layer);
}

void run_last_attention(const BlockContext& context, const AttentionWeights& w,
                        const OutputRows& outputs) {
  const uint32_t layer = context.config.n_layers - 1;
  const Heads k = key_heads(context, w);
  const std::array<LinearTarget, 2> kv = {k.target, values(context, w)};
  const ModelActivations& a = context.a;
  norm_input(context, w);
  project(context, kv);
  norm_and_turn(context, k);
  context.backend.kv_write({.kv = &context.kv, .layer = layer, .k = a.k.get(), .v = a.v.get()});
  if (outputs.n() == 0) {
    return;
  }
  context.backend.begin(outputs.input());
  context.backend.gather(*a.x, outputs.rows(), *a.x);
  context.backend.gather(*a.h, outputs.rows(), *a.h);
  const BlockContext narrow{.backend = context.backend,
                            .kv = context.kv,
                            .config = context.config,
                            .a = context.a,
                            .rope = context.rope,
                            .n_rows = outputs.n()};
  const Heads q = query_heads(narrow, w);
  project(narrow, {&q.target, 1});
  norm_and_turn(narrow, q);
  attend(narrow, w, layer);
}

void run_ffn(const BlockContext& context, const FfnWeights& w) {
  Backend& backend = context.backend;
  ModelActivations& a = context.a;
  const uint32_t n_rows = context.n_rows;
  backend.rms_norm({.x = a.x.get(),
                    .weight = w.norm.get(),
                    .out = a.h.get(),
                    .n_rows = n_rows,
                    .eps = context.config.rms_eps});
  const std::array<LinearTarget, 2> gate_up = {{
      {.weight = w.gate.get(), .bias = w.gate_bias.get(), .out = a.gate.get()},
      {.weight = w.up.get(), .bias = w.up_bias.get(), .out = a.up.get()},
  }};
  backend.linear({.x = a.h.get(), .targets = gate_up, .n_rows = n_rows});
  backend.gated({.gate = a.gate.get(), .up = a.up.get(), .out = a.gate.get(), .n_rows = n_rows});
  const LinearTarget down{.weight = w.down.get(), .bias = w.down_bias.get(), .out = a.h.get()};
  backend.linear({.x = a.gate.get(), .targets = {&down, 1}, .n_rows = n_rows});
  backend.add(*a.x, *a.h, n_rows);
}

void run_experts(const BlockContext& context, const ExpertWeights& w) {
  const auto& [backend, kv, config, a, rope, n_rows] = context;
  backend.rms_norm({.x = a.x.get(),
                    .weight = w.norm.get(),
                    .out = a.h.get(),
                    .n_rows = n_rows,
                    .eps = config.rms_eps});
  const bool has_shared = w.shared_router != nullptr;
  const std::array<LinearTarget, 4> targets = {{
      {.weight = w.router.get(), .out = a.router.get()},
      {.weight = w.shared_router.get(), .out = a.shared_router.get()},
      {.weight = w.shared_gate.get(), .out = a.gate.get()},
      {.weight = w.shared_up.get(), .out = a.up.get()},
  }};
  backend.linear(
      {.x = a.h.get(), .targets = std::span(targets).first(has_shared ? 4 : 1), .n_rows = n_rows});
  backend.experts({.x = a.h.get(),
                   .router = a.router.get(),
                   .gate = w.gate.get(),
                   .up = w.up.get(),
                   .down = w.down.get(),
                   .out = a.x.get(),
                   .n_rows = n_rows,
                   .n_used = config.experts.n_used,
                   .normalise = config.experts.normalise.value_or(true),
                   .scale = static_cast<float>(config.experts.weights_scale)});
  if (!has_shared) {
    return;
  }
  backend.gated({.gate = a.gate.get(), .up = a.up.get(), .out = a.gate.get(), .n_rows = n_rows});
  const LinearTarget down{.weight = w.shared_down.get(), .out = a.h.get()};
  backend.linear({.x = a.gate.get(), .targets = {&down, 1}, .n_rows = n_rows});
  backend.add_weighted(
      {.x = a.x.get(), .y = a.h.get(), .logits = a.shared_router.get(), .n_rows = n_rows});
}

}  // namespace quern
