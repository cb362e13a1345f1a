// Qwen1.5 and Qwen2 with experts (Yang et al. 2024): Qwen2's attention, and in every layer a
// mixture of experts, whose weights are the plain softmax, beside a block that works on every
// token.
#include "model/arch/decoder.h"
#include "model/registry.h"

namespace quern {

Result<std::unique_ptr<Model>> load_qwen2moe(ModelConfig config, WeightLoader& loader) {
  QUERN_TRY(need_experts(config));
  if (config.d_ff == 0) {
    return fail({.kind = ErrorKind::invalid_input,
                 .where = "model",
                 .what = "'qwen2moe.expert_shared_feed_forward_length' is missing or 0",
                 .expected = "the width of the block that works on every token"});
  }
  return Decoder::load(std::move(config), loader,
                       {.rope_interleaved = false, .normalise_experts = false});
}

}  // namespace quern
