// What a forward pass works in, computed from the hyper-parameters alone.
#pragma once

#include <cstdint>

#include "model/model_config.h"

namespace quern {

struct ActivationShape {
  uint64_t n_rows = 512;  // of a batch at most
  uint64_t vocab_size = 0;
};

// About how many bytes Model::load sets aside for activations, logits and the operands of its
// matrix products.
uint64_t estimate_activation_bytes(const ModelConfig& config, const ActivationShape& shape);

}  // namespace quern
