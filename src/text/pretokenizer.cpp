#include "text/pretokenizer.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "text/pretokenizer_splits.h"
#include "text/printable.h"

namespace quern {
namespace {

using namespace pre;  // the split functions

// Every name that files write, with llama.cpp's defaults for each. Rules that the comments on
// PreTokenizer's members leave at their default are not spelled out.
constexpr PreTokenizer kTable[] = {
    {.name = "default", .canonical = "default", .split = split_default},

    {.name = "gpt-2", .canonical = "gpt-2", .split = split_gpt2},
    {.name = "phi-2", .canonical = "gpt-2", .split = split_gpt2},
    {.name = "jina-es", .canonical = "gpt-2", .split = split_gpt2},
    {.name = "jina-de", .canonical = "gpt-2", .split = split_gpt2},
    {.name = "gigachat", .canonical = "gpt-2", .split = split_gpt2},
    {.name = "jina-v2-es", .canonical = "gpt-2", .split = split_gpt2},
    {.name = "jina-v2-de", .canonical = "gpt-2", .split = split_gpt2},
    {.name = "a.x-4.0", .canonical = "gpt-2", .split = split_gpt2},
    {.name = "mellum", .canonical = "gpt-2", .split = split_gpt2},
    {.name = "modern-bert", .canonical = "gpt-2", .split = split_gpt2},
    {.name = "exaone4", .canonical = "gpt-2", .split = split_gpt2},
    {.name = "jina-v1-en", .canonical = "gpt-2", .split = split_gpt2, .add_sep = true},
    {.name = "jina-v2-code", .canonical = "gpt-2", .split = split_gpt2, .add_sep = true},
    {.name = "roberta-bpe", .canonical = "gpt-2", .split = split_gpt2, .add_sep = true},
    {.name = "mpt", .canonical = "mpt", .split = split_gpt2},
    {.name = "olmo", .canonical = "olmo", .split = split_gpt2},
    {.name = "jais", .canonical = "jais", .split = split_gpt2},
    {.name = "trillion", .canonical = "trillion", .split = split_gpt2, .clean_spaces = false},
    {.name = "granite-docling",
     .canonical = "granite-docling",
     .split = split_gpt2,
     .clean_spaces = false},

    {.name = "starcoder", .canonical = "starcoder", .split = split_digits_gpt2},
    {.name = "refact", .canonical = "refact", .split = split_digits_gpt2},
    {.name = "command-r",
     .canonical = "command-r",
     .split = split_digits_gpt2,
     .clean_spaces = false},
    {.name = "smollm", .canonical = "smollm", .split = split_digits_gpt2, .clean_spaces = false},
    {.name = "codeshell", .canonical = "codeshell", .split = split_digits_gpt2},
    {.name = "exaone", .canonical = "exaone", .split = split_digits_gpt2},
    {.name = "minerva-7b", .canonical = "minerva-7b", .split = split_digits_gpt2},
    {.name = "mellum2", .canonical = "mellum2", .split = split_digits_gpt2},

    {.name = "falcon", .canonical = "falcon", .split = split_falcon},
    {.name = "chameleon",
     .canonical = "chameleon",
     .split = split_chameleon,
     .add_bos = true,
     .clean_spaces = false},
    {.name = "bloom", .canonical = "bloom", .split = split_bloom},
    {.name = "gpt3-finnish", .canonical = "bloom", .split = split_bloom},
    {.name = "poro-chat", .canonical = "bloom", .split = split_bloom, .clean_spaces = false},
    {.name = "viking", .canonical = "viking", .split = split_viking, .clean_spaces = false},
    {.name = "superbpe", .canonical = "superbpe", .split = split_superbpe, .clean_spaces = false},

    {.name = "llama3",
     .canonical = "llama3",
     .split = split_llama3,
     .ignore_merges = true,
     .add_bos = true},
    {.name = "llama-v3",
     .canonical = "llama3",
     .split = split_llama3,
     .ignore_merges = true,
     .add_bos = true},
    {.name = "llama-bpe",
     .canonical = "llama3",
     .split = split_llama3,
     .ignore_merges = true,
     .add_bos = true},
    {.name = "falcon3",
     .canonical = "llama3",
     .split = split_llama3,
     .ignore_merges = true,
     .add_bos = true},
    {.name = "falcon-h1",
     .canonical = "llama3",
     .split = split_llama3,
     .ignore_merges = true,
     .add_bos = true},
    {.name = "pixtral",
     .canonical = "llama3",
     .split = split_llama3,
     .ignore_merges = true,
     .add_bos = true},
    {.name = "midm-2.0",
     .canonical = "llama3",
     .split = split_llama3,
     .ignore_merges = true,
     .add_bos = true},
    {.name = "lfm2",
     .canonical = "llama3",
     .split = split_llama3,
     .ignore_merges = true,
     .add_bos = true},
    {.name = "jina-v5-nano",
     .canonical = "llama3",
     .split = split_llama3,
     .ignore_merges = true,
     .add_bos = true},
    {.name = "dbrx", .canonical = "dbrx", .split = split_llama3},
    {.name = "smaug-bpe", .canonical = "smaug-bpe", .split = split_llama3},
    {.name = "glm4", .canonical = "chatglm-bpe", .split = split_llama3, .no_bos = true},
    {.name = "chatglm-bpe", .canonical = "chatglm-bpe", .split = split_llama3, .no_bos = true},
    {.name = "jais-2", .canonical = "jais-2", .split = split_jais2},
    {.name = "minicpm5", .canonical = "minicpm5", .split = split_minicpm5, .ignore_merges = true},

    {.name = "qwen2", .canonical = "qwen2", .split = split_qwen2, .clean_spaces = false},
    {.name = "deepseek-r1-qwen", .canonical = "qwen2", .split = split_qwen2, .clean_spaces = false},
    {.name = "kormo", .canonical = "qwen2", .split = split_qwen2, .clean_spaces = false},
    {.name = "f2llmv2", .canonical = "qwen2", .split = split_qwen2, .clean_spaces = false},
    {.name = "megrez", .canonical = "qwen2", .split = split_qwen2},
    {.name = "stablelm2", .canonical = "stablelm2", .split = split_qwen2},
    {.name = "hunyuan", .canonical = "hunyuan", .split = split_qwen2, .clean_spaces = false},
    {.name = "solar-open", .canonical = "solar-open", .split = split_qwen2, .clean_spaces = false},
    {.name = "grok-2", .canonical = "grok-2", .split = split_qwen2, .clean_spaces = false},
    // Possessive quantifiers and [\r\n] for [\r\n]+ after \s* cut at the same places.
    {.name = "bailingmoe", .canonical = "bailingmoe", .split = split_qwen2, .clean_spaces = false},
    {.name = "bailingmoe2", .canonical = "bailingmoe", .split = split_qwen2, .clean_spaces = false},
    {.name = "llada-moe", .canonical = "bailingmoe", .split = split_qwen2, .clean_spaces = false},
    {.name = "laguna", .canonical = "laguna", .split = split_laguna, .clean_spaces = false},
    {.name = "qwen35", .canonical = "qwen35", .split = split_qwen35, .clean_spaces = false},
    {.name = "seed-coder",
     .canonical = "seed-coder",
     .split = split_seed_coder,
     .clean_spaces = false},
    {.name = "ufakzeka", .canonical = "ufakzeka", .split = split_ufakzeka, .clean_spaces = false},
    {.name = "exaone-moe", .canonical = "exaone-moe", .split = split_exaone_moe},

    {.name = "tekken",
     .canonical = "tekken",
     .split = split_tekken,
     .ignore_merges = true,
     .add_bos = true,
     .clean_spaces = false},
    {.name = "gpt-4o", .canonical = "gpt-4o", .split = split_gpt4o, .clean_spaces = false},
    {.name = "llama4", .canonical = "gpt-4o", .split = split_gpt4o, .clean_spaces = false},
    {.name = "kanana2", .canonical = "gpt-4o", .split = split_gpt4o, .clean_spaces = false},
    {.name = "talkie", .canonical = "gpt-4o", .split = split_gpt4o, .clean_spaces = false},
    {.name = "minimax-m2", .canonical = "minimax-m2", .split = split_gpt4o, .clean_spaces = false},
    {.name = "granite-embed-multi-97m",
     .canonical = "granite-embed-multi-97m",
     .split = split_gpt4o,
     .ignore_merges = true,
     .clean_spaces = false},
    {.name = "tiny_aya", .canonical = "tiny_aya", .split = split_tiny_aya, .clean_spaces = false},
    {.name = "cohere2moe", .canonical = "tiny_aya", .split = split_tiny_aya, .clean_spaces = false},
    {.name = "kimi-k2", .canonical = "kimi-k2", .split = split_kimi_k2, .clean_spaces = false},
    {.name = "youtu",
     .canonical = "youtu",
     .split = split_youtu,
     .ignore_merges = true,
     .clean_spaces = false},

    {.name = "deepseek-llm",
     .canonical = "deepseek-llm",
     .split = split_deepseek_llm,
     .clean_spaces = false},
    {.name = "deepseek-coder",
     .canonical = "deepseek-coder",
     .split = split_deepseek_coder,
     .clean_spaces = false},
    {.name = "deepseek-v3",
     .canonical = "deepseek-v3",
     .split = split_deepseek3,
     .clean_spaces = false},
    {.name = "hunyuan-dense",
     .canonical = "hunyuan-dense",
     .split = split_deepseek3,
     .clean_spaces = false},
    {.name = "joyai-llm",
     .canonical = "joyai-llm",
     .split = split_deepseek3,
     .clean_spaces = false},
    {.name = "hy_v4", .canonical = "hy_v4", .split = split_deepseek3, .clean_spaces = false},
    {.name = "spark2_5", .canonical = "spark2_5", .split = split_spark, .clean_spaces = false},
    {.name = "afmoe", .canonical = "afmoe", .split = split_afmoe, .clean_spaces = false},

    {.name = "gemma4",
     .canonical = "gemma4",
     .split = split_lines,
     .add_bos = true,
     .byte_level = false,
     .escape_spaces = true,
     .whole_newlines = true},
    {.name = "granite-embed-multi-311m",
     .canonical = "gemma4",
     .split = split_lines,
     .add_bos = true,
     .byte_level = false,
     .escape_spaces = true,
     .whole_newlines = true},
    {.name = "sarvam-moe",
     .canonical = "sarvam-moe",
     .split = split_lines,
     .clean_spaces = false,
     .byte_level = false,
     .escape_spaces = true},
    {.name = "whitespace",
     .canonical = "whitespace",
     .split = split_whitespace,
     .byte_level = false},
};

const PreTokenizer* find(std::string_view name) {
  const auto* const entry = std::ranges::find(kTable, name, &PreTokenizer::name);
  return entry == std::end(kTable) ? nullptr : entry;
}

std::string known_names_line() {
  std::string line;
  for (const std::string_view name : known_pre_names()) {
    line += line.empty() ? "" : ", ";
    line += name;
  }
  return line;
}

class PieceCollector final : public PieceSink {
 public:
  explicit PieceCollector(std::string_view text) : text_(text) {}
  std::vector<std::string_view> take_pieces() { return std::move(pieces_); }

 protected:
  void take(const uint32_t* ends, size_t n_ends) override {
    for (size_t i = 0; i < n_ends; ++i) {
      pieces_.push_back(text_.substr(start_, ends[i] - start_));
      start_ = ends[i];
    }
  }

 private:
  std::string_view text_;
  size_t start_ = 0;
  std::vector<std::string_view> pieces_;
};

}  // namespace

Result<const PreTokenizer*> resolve_pre(std::string_view name_from_file, bool allow_unknown,
                                        const Log& log) {
  if (name_from_file.empty()) {
    log.warn(
        "the file names no pre-tokenizer (tokenizer.ggml.pre); using 'default', which may "
        "split text in other places than the model learned");
    return find("default");
  }
  if (const PreTokenizer* const entry = find(name_from_file); entry != nullptr) {
    return entry;
  }
  const std::string shown = printable(name_from_file);
  if (allow_unknown) {
    log.warn(fmt::format("unknown pre-tokenizer '{}'; using 'default'", shown));
    return find("default");
  }
  return fail({.kind = ErrorKind::unsupported,
               .where = "tokenizer",
               .what = fmt::format("unknown pre-tokenizer '{}'", shown),
               .expected = fmt::format("one of {} (or --allow-unknown-pre)", known_names_line())});
}

std::vector<std::string_view> known_pre_names() {
  std::vector<std::string_view> names;
  names.reserve(std::size(kTable));
  for (const PreTokenizer& entry : kTable) {
    names.push_back(entry.name);
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string_view> split_pieces(const PreTokenizer& pre, std::string_view text) {
  PieceCollector collector(text);
  pre.split(text, collector);
  collector.flush();
  return collector.take_pieces();
}

}  // namespace quern
