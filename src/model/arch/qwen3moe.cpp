// Qwen3 with experts (Yang et al. 2025): Qwen3's attention, and in every layer a mixture of experts
// whose weights add up to 1.
#include "model/arch/decoder.h"
#include "model/registry.h"

namespace quern {

Result<std::unique_ptr<Model>> load_qwen3moe(ModelConfig config, WeightLoader& loader) {
  QUERN_TRY(need_experts(config));
  return Decoder::load(std::move(config), loader, {.rope_interleaved = false, .qk_norm = true});
}

}  // namespace quern
