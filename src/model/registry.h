// The architectures that can be loaded. A new one is a file below arch/ and a line in registry.cpp.
#pragma once

#include <string>
#include <string_view>

#include "model/model.h"

namespace quern {

struct Architecture {
  std::string_view name;  // general.architecture
  Result<std::unique_ptr<Model>> (*load)(ModelConfig config, WeightLoader& loader) = nullptr;
};

// Null when there is none of that name.
const Architecture* find_architecture(std::string_view name);
// "llama, qwen2, ..."
std::string supported_architectures();
// What can be told of a file before anything is done for it: an unsupported architecture (with the
// list of those supported), a vocabulary without weights.
Status check_runnable(const ModelCard& card);

// Defined in arch/.
Result<std::unique_ptr<Model>> load_llama(ModelConfig config, WeightLoader& loader);
Result<std::unique_ptr<Model>> load_qwen2(ModelConfig config, WeightLoader& loader);
Result<std::unique_ptr<Model>> load_qwen2moe(ModelConfig config, WeightLoader& loader);
Result<std::unique_ptr<Model>> load_qwen3(ModelConfig config, WeightLoader& loader);
Result<std::unique_ptr<Model>> load_qwen3moe(ModelConfig config, WeightLoader& loader);

}  // namespace quern
