// Model: weights and a forward pass over a whole batch. A lone prompt is a batch of one.
// Not thread-safe: one thread calls forward() and logits(). Owns its weights and activations;
// borrows the backend, which must outlive it. No call after load() allocates.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/log.h"
#include "base/result.h"
#include "gguf/model_card.h"
#include "model/model_config.h"
#include "model/output_rows.h"
#include "model/weight_loader.h"
#include "scheduler/batch.h"

namespace quern {

struct ModelOptions {
  uint32_t max_rows = 512;      // of a batch
  uint32_t max_sequences = 64;  // of a batch
  LoadProgress progress = {};
  Log log = {};                       // warnings
  FailPoints* fail_points = nullptr;  // for load()
};

// Intermediate rows of a forward pass, sized once.
struct ModelActivations {
  std::unique_ptr<Activations> x;              // [max_rows, d_model] residual stream
  std::unique_ptr<Activations> h;              // [max_rows, d_model] normed input of a block
  std::unique_ptr<Activations> q;              // [max_rows, n_heads * head_dim]
  std::unique_ptr<Activations> k;              // [max_rows, n_kv_heads * head_dim]
  std::unique_ptr<Activations> v;              // [max_rows, n_kv_heads * head_dim]
  std::unique_ptr<Activations> attended;       // [max_rows, n_heads * head_dim]
  std::unique_ptr<Activations> gate;           // [max_rows, d_ff]; null where d_ff is 0
  std::unique_ptr<Activations> up;             // the same
  std::unique_ptr<Activations> router;         // [max_rows, n_experts]; null without experts
  std::unique_ptr<Activations> shared_router;  // [max_rows, 1]; null without experts
  std::unique_ptr<Activations> head_rows;      // [kMaxLogitRows, d_model]
  std::unique_ptr<Activations> logits;         // [kMaxLogitRows, vocab_size]
};

class Model {
 public:
  virtual ~Model() = default;

  // Reads, checks and packs the weights of a supported architecture. Errors: an unsupported
  // architecture (with the list of those supported), a missing or misshapen tensor, out of memory.
  static Result<std::unique_ptr<Model>> load(const ModelCard& card, Backend& backend,
                                             const ModelOptions& options);

  const ModelConfig& config() const { return config_; }
  uint32_t max_rows() const { return options_.max_rows; }
  uint32_t max_sequences() const { return options_.max_sequences; }

  // KV memory that fits this model.
  Result<std::unique_ptr<KvStorage>> make_kv(uint32_t n_blocks, KvDType dtype);

  // Runs the batch; KV of its rows is written to `kv`. Then logits() answers for batch.logit_rows.
  Status forward(const Batch& batch, KvStorage& kv);

  // Raw logits after batch.logit_rows[index] of the last forward(); cheapest in ascending order.
  void logits(uint32_t index, std::span<float> out);
  // The hidden state that those logits come from: [d_model], after the final norm.
  void hidden(uint32_t index, std::span<float> out);

 protected:
  // What an architecture's layers work with in one forward pass.
  struct Step {
    Backend& backend;
    KvStorage& kv;
    uint32_t n_rows = 0;
    const OutputRows& outputs;
  };

  Model(ModelConfig config, Backend& backend) : config_(std::move(config)), backend_(backend) {}

  // Turns the embedded tokens in activations().x into the last layer's output for step.outputs
  // alone, which come to lie in its first rows.
  virtual void run_layers(const Step& step) = 0;
  ModelActivations& activations() { return activations_; }

  // Embedding, final norm and head, which every architecture here shares.
  Status load_ends(WeightLoader& loader);

 private:
  Status make_activations(const ModelOptions& options);
  void norm_rows(uint32_t first);
  void compute_logits(uint32_t first);

  ModelConfig config_;
  Backend& backend_;
  ModelOptions options_;
  ModelActivations activations_;
  std::unique_ptr<Matrix> embedding_;    // [vocab_size, d_model]
  std::unique_ptr<Matrix> head_;         // [vocab_size, d_model]; null when tied to the embedding
  std::unique_ptr<Vector> output_norm_;  // [d_model]
  std::vector<StepSequence> sequences_;
  OutputRows outputs_;         // of the last forward()
  uint32_t first_normed_ = 0;  // hidden states of [first_normed_, + n_normed_) are at hand
  uint32_t n_normed_ = 0;
  bool has_logits_ = false;  // and their logits
};

}  // namespace quern
