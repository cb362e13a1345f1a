// ModelConfig: the hyper-parameters of a decoder model, validated. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/result.h"
#include "gguf/model_card.h"

namespace quern {

// How rotary frequencies are stretched beyond the trained context.
enum class RopeScaling : uint8_t { none, linear, yarn };

struct RopeConfig {
  uint32_t n_rotated = 0;  // dimensions of a head that turn, even
  double base = 10000.0;
  RopeScaling scaling = RopeScaling::none;
  double factor = 1.0;            // of the scaling
  uint32_t original_context = 0;  // yarn: the context before stretching
  double attention_factor = 1.0;  // yarn: on cos and sin, besides yarn's own
  double beta_fast =
      32.0;  // yarn: turns within the original context above which a pair keeps its speed
  double beta_slow = 1.0;                 // yarn: turns below which a pair is fully slowed
  std::vector<float> frequency_divisors;  // [n_rotated / 2] (Llama 3's rope_freqs), or empty
};

// A mixture of experts in place of the dense feed-forward block.
struct ExpertsConfig {
  uint32_t n_experts = 0;  // 0: the block is dense
  uint32_t n_used = 0;     // by each token
  uint32_t d_ff = 0;       // of one expert
  // The chosen experts' weights add up to 1; where the file does not say, the architecture does.
  std::optional<bool> normalise;
  double weights_scale = 1.0;
};

struct ModelConfig {
  std::string architecture;
  uint32_t n_layers = 0;
  uint32_t n_heads = 0;
  uint32_t n_kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t d_model = 0;
  // Of the dense block; with experts, of the one that works on every token, 0 where there is none.
  uint32_t d_ff = 0;
  ExpertsConfig experts;
  uint32_t vocab_size = 0;
  uint32_t max_context = 0;  // positions that the model was made for
  float rms_eps = 0;
  RopeConfig rope;
};

// Reads the hyper-parameters from a card. Errors name the key, what it holds and what fits.
Result<ModelConfig> read_model_config(const ModelCard& card);

// The angles' speeds. Sources: Su et al. 2021 (RoPE), Chen et al. 2023 (linear), Peng et al. 2023
// (YaRN).
RopeSpec make_rope_spec(const RopeConfig& rope, bool interleaved);

}  // namespace quern
