#include "gguf/active.h"

#include <algorithm>
#include <string_view>

namespace quern {
namespace {

uint64_t arch_u64(const ModelCard& card, std::string_view suffix) {
  const MetaValue* value = card.find_arch(suffix);
  return value == nullptr ? 0 : value->as_u64().value_or(0);
}

// Takes `word` off the front of `text` where it is there.
bool take(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) {
    return false;
  }
  text.remove_prefix(word.size());
  return true;
}

}  // namespace

bool is_expert_tensor(const TensorInfo& tensor) {
  std::string_view text = tensor.name;
  if (text.find("_exps.") != std::string_view::npos) {
    return true;
  }
  const size_t at = text.find(".ffn_");
  if (at == std::string_view::npos) {
    return false;
  }
  text.remove_prefix(at + 1);
  if (!take(text, "ffn_gate.") && !take(text, "ffn_up.") && !take(text, "ffn_down.")) {
    return false;
  }
  const size_t n_digits = std::min(text.find_first_not_of("0123456789"), text.size());
  return n_digits > 0 && text.substr(n_digits).starts_with('.');
}

uint64_t active_part(const ModelCard& card, const TensorInfo& tensor, uint64_t n) {
  const uint64_t n_experts = arch_u64(card, "expert_count");
  const uint64_t n_used = arch_u64(card, "expert_used_count");
  if (n_experts == 0 || n_used > n_experts || !is_expert_tensor(tensor)) {
    return n;
  }
  // Experts are alike; n / n_experts is whole for a tensor of all of them.
  return n / n_experts * n_used + n % n_experts * n_used / n_experts;
}

uint64_t n_active_parameters(const ModelCard& card) {
  uint64_t sum = 0;
  for (const TensorInfo& tensor : card.tensors()) {
    sum += active_part(card, tensor, tensor.shape.n_elements().value_or(0));
  }
  return sum;
}

}  // namespace quern
