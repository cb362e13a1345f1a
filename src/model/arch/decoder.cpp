#include "model/arch/decoder.h"

namespace quern {

Result<std::unique_ptr<Model>> Decoder::load(ModelConfig config, WeightLoader& loader,
                                             const DecoderTraits& traits) {
  QUERN_ASSIGN(std::unique_ptr<Rope> rope, load_rope(loader, config, traits.rope_interleaved));
  config.experts.normalise = config.experts.normalise.value_or(traits.normalise_experts);
  std::unique_ptr<Decoder> model(new Decoder(std::move(config), loader.backend()));
  model->rope_ = std::move(rope);
  for (uint32_t i = 0; i < model->config().n_layers; ++i) {
    Layer layer;
    QUERN_ASSIGN(layer.attention,
                 load_attention(loader, model->config(), {.layer = i, .qk_norm = traits.qk_norm}));
    if (model->has_experts()) {
      QUERN_ASSIGN(layer.experts, load_experts(loader, model->config(), i));
    } else {
      QUERN_ASSIGN(layer.ffn, load_ffn(loader, model->config(), i));
    }
    model->layers_.push_back(std::move(layer));
  }
  return model;
}

void Decoder::run_layers(const Step& step) {
  BlockContext context{.backend = step.backend,
                       .kv = step.kv,
                       .config = config(),
                       .a = activations(),
                       .rope = *rope_,
                       .n_rows = step.n_rows};
  for (uint32_t i = 0; i < layers_.size(); ++i) {
    const bool narrows = i + 1 == layers_.size() && step.outputs.n() < step.n_rows;
    if (narrows) {
      run_last_attention(context, layers_[i].attention, step.outputs);
      context.n_rows = step.outputs.n();
    } else {
      run_attention(context, layers_[i].attention, i);
    }
    if (context.n_rows == 0) {
      return;
    }
    if (has_experts()) {
      run_experts(context, layers_[i].experts);
    } else {
      run_ffn(context, layers_[i].ffn);
    }
  }
}

}  // namespace quern
