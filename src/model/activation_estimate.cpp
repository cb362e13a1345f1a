#include "model/activation_estimate.h"

#include <algorithm>

namespace quern {
namespace {

// Rows of logits that a model holds at once, and what a matmul operand takes for each value: codes,
// scales, sums and floats, twice for precise ones.
constexpr uint64_t kLogitRows = 32;
constexpr uint64_t kOperandBytes = 11;
constexpr uint64_t kExpertListValues = 4;  // of 4 bytes, for each row and expert that works on it

}  // namespace

// model_limits bounds each factor: no product comes near 2^64.
uint64_t estimate_activation_bytes(const ModelConfig& config, const ActivationShape& shape) {
  const uint64_t q_width = uint64_t{config.n_heads} * config.head_dim;
  const uint64_t kv_width = uint64_t{config.n_kv_heads} * config.head_dim;
  uint64_t n_row_values = 2 * (uint64_t{config.d_model} + q_width + kv_width + config.d_ff);
  const ExpertsConfig& experts = config.experts;
  if (experts.n_experts > 0) {
    // Router logits, a row of hidden and output values, and the lists of who works on what.
    n_row_values += experts.n_experts + 2 * uint64_t{experts.d_ff} + config.d_model +
                    kExpertListValues * experts.n_used;
  }
  const uint64_t n_values =
      shape.n_rows * n_row_values + kLogitRows * (shape.vocab_size + config.d_model);
  const uint64_t widest = std::max<uint64_t>({config.d_model, q_width, config.d_ff, experts.d_ff});
  const uint64_t n_operand_values = std::max(shape.n_rows * widest, kLogitRows * shape.vocab_size);
  return n_values * sizeof(float) + n_operand_values * kOperandBytes;
}

}  // namespace quern
