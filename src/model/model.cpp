#include "model/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "base/check.h"
#include "model/registry.h"

namespace quern {
namespace {

// Rows of logits held at once: vocabularies are wide, and samplers take them one by one.
constexpr uint32_t kMaxLogitRows = 32;

}  // namespace

Result<std::unique_ptr<Model>> Model::load(const ModelCard& card, Backend& backend,
                                           const ModelOptions& options) {
  QUERN_TRY(check_runnable(card));
  const Architecture* architecture = find_architecture(card.architecture());
  QUERN_ASSIGN(ModelConfig config, read_model_config(card));
  const TensorInfo* embedding = card.find_tensor("token_embd.weight");
  if (embedding == nullptr || embedding->shape.n_dims() != 2 || embedding->shape[0] > (1U << 26)) {
    return fail({.kind = ErrorKind::invalid_input,
                 .where = "model",
                 .what = "tensor 'token_embd.weight' is missing or misshapen",
                 .expected = "[vocab_size, embedding_length]"});
  }
  config.vocab_size = static_cast<uint32_t>(embedding->shape[0]);
  QUERN_ASSIGN(WeightLoader loader, WeightLoader::open(card, backend,
                                                       {.progress = options.progress,
                                                        .fail_points = options.fail_points}));
  QUERN_ASSIGN(std::unique_ptr<Model> model, architecture->load(std::move(config), loader));
  QUERN_TRY(model->load_ends(loader));
  QUERN_TRY(model->make_activations(options));
  loader.warn_about_unused(options.log);
  return model;
}

Status Model::load_ends(WeightLoader& loader) {
  const ModelConfig& c = config_;
  QUERN_ASSIGN(embedding_, loader.matrix("token_embd.weight", c.vocab_size, c.d_model));
  QUERN_ASSIGN(output_norm_, loader.vector("output_norm.weight", c.d_model));
  if (loader.has("output.weight")) {
    QUERN_ASSIGN(head_, loader.matrix("output.weight", c.vocab_size, c.d_model));
  }
  return {};
}

Status Model::make_activations(const ModelOptions& options) {
  const ModelConfig& c = config_;
  options_ = options;
  const auto make = [&](std::unique_ptr<Activations>& out, uint32_t n_rows,
                        uint32_t n_columns) -> Status {
    QUERN_ASSIGN(out, backend_.make_activations(n_rows, n_columns));
    return {};
  };
  ModelActivations& a = activations_;
  QUERN_TRY(make(a.x, options.max_rows, c.d_model));
  QUERN_TRY(make(a.h, options.max_rows, c.d_model));
  QUERN_TRY(make(a.q, options.max_rows, c.n_heads * c.head_dim));
  QUERN_TRY(make(a.k, options.max_rows, c.n_kv_heads * c.head_dim));
  QUERN_TRY(make(a.v, options.max_rows, c.n_kv_heads * c.head_dim));
  QUERN_TRY(make(a.attended, options.max_rows, c.n_heads * c.head_dim));
  if (c.d_ff > 0) {
    QUERN_TRY(make(a.gate, options.max_rows, c.d_ff));
    QUERN_TRY(make(a.up, options.max_rows, c.d_ff));
  }
  if (c.experts.n_experts > 0) {
    QUERN_TRY(make(a.router, options.max_rows, c.experts.n_experts));
    QUERN_TRY(make(a.shared_router, options.max_rows, 1));
    QUERN_TRY(backend_.reserve_experts({.max_rows = options.max_rows,
                                        .n_experts = c.experts.n_experts,
                                        .n_used = c.experts.n_used,
                                        .d_model = c.d_model,
                                        .d_ff = c.experts.d_ff}));
  }
  QUERN_TRY(make(a.head_rows, kMaxLogitRows, c.d_model));
  QUERN_TRY(make(a.logits, kMaxLogitRows, c.vocab_size));
  sequences_.reserve(options.max_sequences);
  outputs_.reserve(options.max_rows);
  return {};
}

Result<std::unique_ptr<KvStorage>> Model::make_kv(uint32_t n_blocks, KvDType dtype) {
  return backend_.make_kv({.n_layers = config_.n_layers,
                           .n_blocks = n_blocks,
                           .n_kv_heads = config_.n_kv_heads,
                           .head_dim = config_.head_dim,
                           .dtype = dtype});
}

Status Model::forward(const Batch& batch, KvStorage& kv) {
  QUERN_CHECK(batch.n_rows() <= options_.max_rows);
  sequences_.clear();
  for (const BatchSequence& s : batch.sequences) {
    sequences_.push_back({.first_row = s.first_row,
                          .n_rows = s.n_rows,
                          .position = s.position,
                          .blocks = std::span(batch.blocks).subspan(s.first_block, s.n_blocks)});
  }
  const StepInput input{
      .tokens = batch.tokens, .positions = batch.positions, .sequences = sequences_};
  outputs_.select(input, batch.logit_rows);
  n_normed_ = 0;
  backend_.begin(input);
  backend_.embed({.table = embedding_.get(), .out = activations_.x.get()});
  run_layers({.backend = backend_, .kv = kv, .n_rows = batch.n_rows(), .outputs = outputs_});
  return backend_.finish();
}

// A window of the rows whose logits are wanted.
void Model::norm_rows(uint32_t first) {
  ModelActivations& a = activations_;
  const uint32_t n = std::min(kMaxLogitRows, outputs_.n() - first);
  std::array<uint32_t, kMaxLogitRows> rows{};
  std::iota(rows.begin(), rows.end(), first);
  backend_.gather(*a.x, std::span(rows).first(n), *a.head_rows);
  backend_.rms_norm({.x = a.head_rows.get(),
                     .weight = output_norm_.get(),
                     .out = a.head_rows.get(),
                     .n_rows = n,
                     .eps = config_.rms_eps});
  first_normed_ = first;
  n_normed_ = n;
  has_logits_ = false;
}

// The head is where rounding activations to 8 bits costs most accuracy for least speed, so it takes
// them precisely.
void Model::compute_logits(uint32_t first) {
  norm_rows(first);
  const LinearTarget target{.weight = head_ ? head_.get() : embedding_.get(),
                            .out = activations_.logits.get()};
  backend_.linear({.x = activations_.head_rows.get(),
                   .targets = {&target, 1},
                   .n_rows = n_normed_,
                   .precise = true});
  has_logits_ = true;
}

void Model::logits(uint32_t index, std::span<float> out) {
  QUERN_CHECK(index < outputs_.n());
  if (!has_logits_ || index < first_normed_ || index >= first_normed_ + n_normed_) {
    compute_logits(index);
  }
  backend_.read_row(*activations_.logits, index - first_normed_, out);
}

void Model::hidden(uint32_t index, std::span<float> out) {
  QUERN_CHECK(index < outputs_.n());
  if (index < first_normed_ || index >= first_normed_ + n_normed_) {
    norm_rows(index);
  }
  backend_.read_row(*activations_.head_rows, index - first_normed_, out);
}

}  // namespace quern
