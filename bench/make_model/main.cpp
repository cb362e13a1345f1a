// make_model: writes a GGUF model of a given shape and format with random weights, for measuring
// speed. It says nothing of sense, and loads wherever a real model of its kind does.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

#include "random_weights.h"
#include "recipe.h"
#include "vocabulary.h"

namespace quern::make_model {
namespace {

// "llama-8L-4096-Q4_K_M", which is how reports name the model.
std::string title(const Recipe& r) {
  const std::string experts =
      r.n_experts == 0 ? "" : fmt::format("-{}of{}", r.n_experts_used, r.n_experts);
  return fmt::format("random-{}-{}L-{}{}-{}", r.architecture, r.n_layers, r.d_model, experts,
                     r.format);
}

Status add_hyper_parameters(GgufWriter& writer, const Recipe& r) {
  const auto add = [&](const char* suffix, const MetaValue& value) {
    return writer.add(fmt::format("{}.{}", r.architecture, suffix), value);
  };
  const std::string name = title(r);
  QUERN_TRY(writer.add("general.architecture", MetaValue::string(r.architecture)));
  QUERN_TRY(writer.add("general.name", MetaValue::string(name)));
  QUERN_TRY(writer.add("general.file_type", MetaValue::u32(file_type(r.format))));
  QUERN_TRY(writer.add("general.quantization_version", MetaValue::u32(2)));
  QUERN_TRY(add("block_count", MetaValue::u32(r.n_layers)));
  QUERN_TRY(add("context_length", MetaValue::u32(r.max_context)));
  QUERN_TRY(add("embedding_length", MetaValue::u32(r.d_model)));
  QUERN_TRY(add("feed_forward_length", MetaValue::u32(r.d_ff)));
  QUERN_TRY(add("vocab_size", MetaValue::u32(r.vocab_size)));
  QUERN_TRY(add("attention.head_count", MetaValue::u32(r.n_heads)));
  QUERN_TRY(add("attention.head_count_kv", MetaValue::u32(r.n_kv_heads)));
  QUERN_TRY(add("attention.key_length", MetaValue::u32(r.head_dim)));
  QUERN_TRY(add("attention.value_length", MetaValue::u32(r.head_dim)));
  QUERN_TRY(add("attention.layer_norm_rms_epsilon", MetaValue::f32(1e-5F)));
  QUERN_TRY(add("rope.freq_base", MetaValue::f32(500000.0F)));
  QUERN_TRY(add("rope.dimension_count", MetaValue::u32(r.head_dim)));
  if (r.n_experts > 0) {
    QUERN_TRY(add("expert_count", MetaValue::u32(r.n_experts)));
    QUERN_TRY(add("expert_used_count", MetaValue::u32(r.n_experts_used)));
    QUERN_TRY(add("expert_feed_forward_length", MetaValue::u32(r.d_ff)));
  }
  return {};
}

Status make(const Recipe& recipe, const std::filesystem::path& path) {
  QUERN_TRY(check(recipe));
  GgufWriter writer;
  RandomWeights weights(recipe.seed);
  QUERN_TRY(add_hyper_parameters(writer, recipe));
  QUERN_TRY(add_vocabulary(writer, recipe.vocab_size));
  for (const PlannedTensor& tensor : plan(recipe)) {
    QUERN_TRY(writer.add_tensor(
        {.name = tensor.name, .dtype = tensor.dtype, .shape = tensor.shape},
        [&weights, tensor](const ByteSink& sink) { return weights.write(tensor, sink); }));
  }
  return writer.write_file(path);
}

void add_options(CLI::App& app, Recipe& r) {
  constexpr uint32_t kMaxWidth = 1 << 20;
  const auto number = [&](const char* name, uint32_t& target, const char* help) {
    return app.add_option(name, target, help)->type_name("N")->capture_default_str();
  };
  app.add_option("--arch", r.architecture, "llama, qwen3 or qwen3moe; llama with experts: Mixtral")
      ->check(CLI::IsMember({"llama", "qwen3", "qwen3moe"}))
      ->capture_default_str();
  app.add_option("--format", r.format, "How matrices are stored; Q4_K_M and Q5_K_M are mixtures")
      ->check(CLI::IsMember(format_names()))
      ->capture_default_str();
  number("--layers", r.n_layers, "Layers")->check(CLI::Range(1, 1024));
  number("--d-model", r.d_model, "Width of the model")->check(CLI::Range(32U, kMaxWidth));
  number("--heads", r.n_heads, "Query heads")->check(CLI::Range(1, 1024));
  number("--kv-heads", r.n_kv_heads, "Key and value heads")->check(CLI::Range(1, 1024));
  number("--head-dim", r.head_dim, "Dimensions of a head")->check(CLI::Range(2, 1024));
  number("--d-ff", r.d_ff, "Width of the feed-forward block, or of one expert")
      ->check(CLI::Range(32U, kMaxWidth));
  number("--vocab", r.vocab_size, "Tokens")->check(CLI::Range(kMinVocab, kMaxVocab));
  number("--experts", r.n_experts, "Experts in a layer; 0 is a dense model")
      ->check(CLI::Range(0, 1024));
  number("--experts-used", r.n_experts_used, "Experts that a token uses")
      ->check(CLI::Range(0, 256));
  number("--ctx", r.max_context, "Context length that the file tells")
      ->check(CLI::Range(1, 1 << 24));
  app.add_option("--seed", r.seed, "Of the random numbers")->type_name("N")->capture_default_str();
}

int run(int argc, char** argv) {
  CLI::App app{"Writes a GGUF model with random weights"};
  Recipe recipe;
  std::string path;
  add_options(app, recipe);
  app.add_option("FILE", path, "The file to write")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& reason) {
    return app.exit(reason) == 0 ? 0 : exit_code(ErrorKind::usage);
  }
  const Status status = make(recipe, path);
  if (!status) {
    fmt::print(stderr, "make_model: {}\n", status.error().to_string());
    return exit_code(status.error().kind);
  }
  return 0;
}

}  // namespace
}  // namespace quern::make_model

int main(int argc, char** argv) {
  return quern::make_model::run(argc, argv);
}
