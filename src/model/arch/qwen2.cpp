// Qwen2 and 2.5 (Yang et al. 2024): biases on q, k and v, rotary pairs in halves.
#include "model/arch/decoder.h"
#include "model/registry.h"

namespace quern {

Result<std::unique_ptr<Model>> load_qwen2(ModelConfig config, WeightLoader& loader) {
  return Decoder::load(std::move(config), loader, {.rope_interleaved = false});
}

}  // namespace quern
