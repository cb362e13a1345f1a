// Llama 1 to 3, and what is built like them: SmolLM2, Mistral (Touvron et al. 2023), and Mixtral,
// whose feed-forward blocks are experts (Jiang et al. 2024).
// Files of this architecture store q and k with rotary pairs side by side.
#include "model/arch/decoder.h"
#include "model/registry.h"

namespace quern {

Result<std::unique_ptr<Model>> load_llama(ModelConfig config, WeightLoader& loader) {
  return Decoder::load(std::move(config), loader, {.rope_interleaved = true});
}

}  // namespace quern
