// Qwen3 (Yang et al. 2025): no biases, query and key heads normed, rotary pairs in halves.
#include "model/arch/decoder.h"
#include "model/registry.h"

namespace quern {

Result<std::unique_ptr<Model>> load_qwen3(ModelConfig config, WeightLoader& loader) {
  return Decoder::load(std::move(config), loader, {.rope_interleaved = false, .qk_norm = true});
}

}  // namespace quern
