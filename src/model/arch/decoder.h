// Decoder: a stack of attention and feed-forward blocks (dense, or a mixture of experts where the
// config has them), each normed before and added to the residual stream after. The architectures
// beside this file say what is particular to them.
#pragma once

#include <vector>

#include "model/layers.h"
#include "model/model.h"

namespace quern {

struct DecoderTraits {
  bool rope_interleaved = false;  // rotary pairs (2i, 2i + 1), else halves
  bool normalise_experts = true;  // where the file does not say; see ExpertsConfig
  bool qk_norm = false;           // RMS norm of each query and key head before the rotation
};

class Decoder final : public Model {
 public:
  static Result<std::unique_ptr<Model>> load(ModelConfig config, WeightLoader& loader,
                                             const DecoderTraits& traits);

 private:
  struct Layer {
    AttentionWeights attention;
    FfnWeights ffn;         // without experts
    ExpertWeights experts;  // with them
  };

  using Model::Model;
  void run_layers(const Step& step) override;
  bool has_experts() const { return config().experts.n_experts > 0; }

  std::vector<Layer> layers_;
  std::unique_ptr<Rope> rope_;
};

}  // namespace quern
