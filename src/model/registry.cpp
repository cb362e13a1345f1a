#include "model/registry.h"

#include <fmt/format.h>

#include "text/printable.h"

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

Status check_runnable(const ModelCard& card) {
  if (find_architecture(card.architecture()) == nullptr) {
    return fail(
        {.kind = ErrorKind::unsupported,
         .where = "model",
         .what = fmt::format("architecture '{}' is not supported", printable(card.architecture())),
         .expected = "one of " + supported_architectures()});
  }
  if (card.tensors().empty()) {
    return fail({.kind = ErrorKind::invalid_input,
                 .where = "model",
                 .what = "the file holds a vocabulary and no weights",
                 .expected = "a model"});
  }
  return {};
}

}  // namespace quern
