// The blocks that decoder architectures are made of: their weights and how they run.
#pragma once

#include <memory>
#include <string>

#include "model/model.h"
#include "model/weight_loader.h"

namespace quern {

// "blk.3.attn_q.weight"
std::string layer_tensor(uint32_t layer, std::string_view suffix);

struct AttentionWeights {
  std::unique_ptr<Vector> norm;  // [d_model]
  std::unique_ptr<Matrix> q, k, v,
      out;  // [heads * head_dim, d_model]; out [d_model, n_heads * head_dim]
  std::unique_ptr<Vector> q_bias, k_bias, v_bias, out_bias;  // null for none
  std::unique_ptr<Vector> q_norm, k_norm;                    // [head_dim] per head, null for none
};

struct FfnWeights {
  std::unique_ptr<Vector> norm;                           // [d_model]
  std::unique_ptr<Matrix> gate, up;                       // [d_ff, d_model]
  std::unique_ptr<Matrix> down;                           // [d_model, d_ff]
  std::unique_ptr<Vector> gate_bias, up_bias, down_bias;  // null for none
};

// A mixture of experts, and the dense block that some architectures run beside it on every token.
struct ExpertWeights {
  std::unique_ptr<Vector> norm;           // [d_model]
  std::unique_ptr<Matrix> router;         // [n_experts, d_model]
  std::unique_ptr<Experts> gate, up;      // of [experts.d_ff, d_model]
  std::unique_ptr<Experts> down;          // of [d_model, experts.d_ff]
  std::unique_ptr<Matrix> shared_router;  // [1, d_model]; null where no block is shared
  std::unique_ptr<Matrix> shared_gate;    // [d_ff, d_model]
  std::unique_ptr<Matrix> shared_up;      // [d_ff, d_model]
  std::unique_ptr<Matrix> shared_down;    // [d_model, d_ff]
};

// Which layer's attention to load, and what is particular to it.
struct AttentionSpec {
  uint32_t layer = 0;
  bool qk_norm = false;  // per-head norms of q and k are there
};

// Biases are taken where the file has them.
Result<AttentionWeights> load_attention(WeightLoader& loader, const ModelConfig& config,
                                        const AttentionSpec& spec);
Result<FfnWeights> load_ffn(WeightLoader& loader, const ModelConfig& config, uint32_t layer);
// An error where the file names no experts.
Status need_experts(const ModelConfig& config);
Result<ExpertWeights> load_experts(WeightLoader& loader, const ModelConfig& config, uint32_t layer);
// The rotation by the config, with the file's rope_freqs where it has them.
Result<std::unique_ptr<Rope>> load_rope(WeightLoader& loader, ModelConfig& config,
                                        bool interleaved);

// What the blocks of one forward pass share.
struct BlockContext {
  Backend& backend;
  KvStorage& kv;
  const ModelConfig& config;
  ModelActivations& a;
  const Rope& rope;
  uint32_t n_rows = 0;
};

// x += out(attention(norm(x)))
void run_attention(const BlockContext& context, const AttentionWeights& weights, uint32_t layer);
// The last layer's, of which only `outputs` are wanted: keys and values of all rows are written,
// then the step goes on with `outputs` alone.
void run_last_attention(const BlockContext& context, const AttentionWeights& weights,
                        const OutputRows& outputs);
// x += down(silu(gate(norm(x))) * up(norm(x)))
void run_ffn(const BlockContext& context, const FfnWeights& weights);
// x += sum of weight * expert(norm(x)) + sigmoid(shared_router(norm(x))) * shared(norm(x))
void run_experts(const BlockContext& context, const ExpertWeights& weights);

}  // namespace quern
