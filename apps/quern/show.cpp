// quern show: what a model's file says, and what a run of it will take.
#include <fmt/format.h>

#include <array>
#include <memory>
#include <optional>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "gguf/active.h"
#include "gguf/memory_estimate.h"
#include "gguf/reader.h"
#include "gguf/scan.h"
#include "gguf/validate.h"
#include "model/activation_estimate.h"
#include "model/registry.h"
#include "model_name.h"
#include "output.h"
#include "report.h"
#include "text/printable.h"

namespace quern::app {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  ModelName name;
  uint64_t n_ctx = 0;
  bool json = false;
};

// Longer arrays are told by type and length: a vocabulary does not belong on a screen.
constexpr uint64_t kShownElements = 16;

// What a run takes: what the file's header tells, and what the engine works in, which is known for
// the architectures that can run.
struct RunMemory {
  MemoryEstimate file;
  std::optional<uint64_t> activation_bytes;

  uint64_t total_bytes() const {
    return file.weights_bytes + file.kv_bytes + activation_bytes.value_or(0);
  }
};

RunMemory run_memory(const ModelCard& card, uint64_t n_ctx) {
  RunMemory memory{.file = estimate_memory(card, n_ctx), .activation_bytes = {}};
  const TensorInfo* embedding = card.find_tensor("token_embd.weight");
  const auto config = read_model_config(card);
  if (find_architecture(card.architecture()) != nullptr && embedding != nullptr && config) {
    memory.activation_bytes =
        estimate_activation_bytes(*config, {.vocab_size = embedding->shape[0]});
  }
  return memory;
}

struct TypeUse {
  uint64_t n_tensors = 0;
  uint64_t n_bytes = 0;
};

std::array<TypeUse, kDTypeCount> uses_of_types(const ModelCard& card) {
  std::array<TypeUse, kDTypeCount> uses{};
  for (const TensorInfo& tensor : card.tensors()) {
    TypeUse& use = uses[static_cast<size_t>(tensor.dtype)];
    ++use.n_tensors;
    use.n_bytes += tensor.n_bytes;
  }
  return uses;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the reader lets arrays nest.
Json json_of(const MetaValue& value) {
  if (const auto text = value.as_string()) {
    return *text;
  }
  if (const auto flag = value.as_bool()) {
    return *flag;
  }
  if (value.is_array()) {
    if (value.n_elements() > kShownElements) {
      return Json{{"array_of", name(value.element_type())}, {"n", value.n_elements()}};
    }
    Json array = Json::array();
    for (uint64_t i = 0; i < value.n_elements(); ++i) {
      array.push_back(json_of(value.element(i)));
    }
    return array;
  }
  if (const auto integer = value.as_i64()) {
    return *integer;
  }
  if (const auto integer = value.as_u64()) {
    return *integer;
  }
  return value.as_f64().value_or(0);
}

Json json_of_types(const ModelCard& card) {
  Json types = Json::array();
  const auto uses = uses_of_types(card);
  for (size_t i = 0; i < uses.size(); ++i) {
    if (uses[i].n_tensors > 0) {
      types.push_back({{"type", name(static_cast<DType>(i))},
                       {"tensors", uses[i].n_tensors},
                       {"bytes", uses[i].n_bytes}});
    }
  }
  return types;
}

size_t n_tokens(const ModelCard& card) {
  const auto tokens = card.strings("tokenizer.ggml.tokens");
  return tokens ? tokens->size() : 0;
}

Json json_of_card(const ModelCard& card, const RunMemory& memory) {
  Json files = Json::array();
  for (const auto& path : card.files()) {
    files.push_back(path.string());
  }
  Json metadata = Json::object();
  for (const MetaPair& pair : card.metadata()) {
    metadata[std::string(pair.key)] = json_of(pair.value);
  }
  const auto chat_template = card.string("tokenizer.chat_template");
  const MetaValue* context = card.find_arch("context_length");
  return {
      {"files", files},
      {"name", card.string("general.name").value_or("")},
      {"architecture", card.architecture()},
      {"parameters", card.n_parameters()},
      {"active_parameters", n_active_parameters(card)},
      {"context_length", context == nullptr ? 0 : context->as_u64().value_or(0)},
      {"quantisation", quantisation_label(card)},
      {"tensor_types", json_of_types(card)},
      {"tokenizer",
       {{"model", card.string("tokenizer.ggml.model").value_or("")},
        {"pre", card.string("tokenizer.ggml.pre").value_or("")},
        {"tokens", n_tokens(card)}}},
      {"chat_template", chat_template ? Json(*chat_template) : Json()},
      {"memory",
       {{"ctx", memory.file.n_ctx},
        {"weights_bytes", memory.file.weights_bytes},
        {"kv_bytes", memory.file.kv_bytes},
        {"activations_bytes", memory.activation_bytes ? Json(*memory.activation_bytes) : Json()},
        {"total_bytes", memory.total_bytes()}}},
      {"metadata", metadata}};
}

void print_line(std::string_view label, std::string_view value) {
  if (!value.empty()) {
    print_out("{:<16}{}\n", label, value);
  }
}

// "139 MB = 96.6 MB weights + 42.3 MB keys and values of 2048 tokens + 25 MB activations"
std::string memory_line(const RunMemory& memory, uint64_t trained_ctx) {
  std::string line = fmt::format(
      "{} = {} weights + {} keys and values of {} tokens", human_bytes(memory.total_bytes()),
      human_bytes(memory.file.weights_bytes), human_bytes(memory.file.kv_bytes), memory.file.n_ctx);
  if (trained_ctx != 0 && memory.file.n_ctx > trained_ctx) {
    line += fmt::format(" (more than the model's {})", trained_ctx);
  }
  line += memory.activation_bytes
              ? fmt::format(" + {} activations", human_bytes(*memory.activation_bytes))
              : std::string(", without activations: this program cannot run the model");
  return line;
}

// "30.5B", or "30.5B, 3.35B of them used by each token (8 of 128 experts)"
std::string parameters_line(const ModelCard& card) {
  const uint64_t n = card.n_parameters();
  const uint64_t n_active = n_active_parameters(card);
  const MetaValue* experts = card.find_arch("expert_count");
  const MetaValue* used = card.find_arch("expert_used_count");
  if (n_active == n || experts == nullptr || used == nullptr) {
    return human_count(n);
  }
  return fmt::format("{}, {} of them used by each token ({} of {} experts)", human_count(n),
                     human_count(n_active), used->to_string(), experts->to_string());
}

void print_summary(const ModelCard& card, const RunMemory& memory) {
  for (const auto& path : card.files()) {
    print_line("file", path.string());
  }
  print_line("name", printable(card.string("general.name").value_or(""), 100));
  print_line("architecture", card.architecture());
  print_line("parameters", parameters_line(card));
  const uint64_t trained_ctx = estimate_memory(card).n_ctx;
  print_line("context", fmt::format("{} tokens", trained_ctx));
  print_line("quantisation", quantisation_label(card));
  const auto uses = uses_of_types(card);
  for (size_t i = 0; i < uses.size(); ++i) {
    if (uses[i].n_tensors > 0) {
      print_out("{:<16}{:<8}{:>5} tensors  {:>8}\n", "", name(static_cast<DType>(i)),
                uses[i].n_tensors, human_bytes(uses[i].n_bytes));
    }
  }
  print_line(
      "tokenizer",
      fmt::format("{} {}, {} tokens",
                  printable(card.string("tokenizer.ggml.model").value_or("none")),
                  printable(card.string("tokenizer.ggml.pre").value_or("")), n_tokens(card)));
  const auto chat_template = card.string("tokenizer.chat_template");
  print_line("chat template",
             chat_template ? fmt::format("{} characters", chat_template->size()) : "none");
  print_line("memory", memory_line(memory, trained_ctx));
}

Status show(const Options& options) {
  QUERN_ASSIGN(const std::filesystem::path path, find_model(options.name));
  QUERN_ASSIGN(const ModelCard card, read_model_card(path));
  const RunMemory memory = run_memory(card, options.n_ctx);
  if (options.json) {
    print_out(
        "{}\n",
        json_of_card(card, memory).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return {};
  }
  print_summary(card, memory);
  print_out("\n");
  for (const MetaPair& pair : card.metadata()) {
    print_out("{} = {}\n", printable(pair.key, 100), pair.value.to_string());
  }
  return {};
}

}  // namespace

void register_show(CLI::App& app, Action& action) {
  const auto options = std::make_shared<Options>();  // lives as long as the flags bound to it
  CLI::App* command = app.add_subcommand("show", "Show what a model is and what it takes");
  add_model_name(*command, options->name)->required();
  command
      ->add_option("--ctx", options->n_ctx,
                   "Tokens of context to count memory for (default: the model's own)")
      ->type_name("N")
      ->check(CLI::Range(int64_t{2}, model_limits::kContext));
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &action] {
    action = [options] {
      const Status status = show(*options);
      return status ? 0 : report(status.error());
    };
  });
}

}  // namespace quern::app
