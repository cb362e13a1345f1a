#include "model/registry.h"

namespace quern {
namespace {

constexpr Architecture kArchitectures[] = {
    {"llama", load_llama},  // Llama 1 to 3, SmolLM2, Mistral, Mixtral
    {"qwen2", load_qwen2}, {"qwen2moe", load_qwen2moe},
    {"qwen3", load_qwen3}, {"qwen3moe", load_qwen3moe},
};

}  // namespace

const Architecture* find_architecture(std::string_view name) {
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == name) {
      return &architecture;
    }
  }
  return nullptr;
}

std::string supported_architectures() {
  std::string list;
  for (const Architecture& architecture : kArchitectures) {
    list += list.empty() ? "" : ", ";
    list += architecture.name;
  }
  return list;
}

}  // namespace quern
