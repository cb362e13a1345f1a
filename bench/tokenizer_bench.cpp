// Speed of byte-level BPE on one thread: building the model of a vocabulary, and encoding a text,
// in bytes of text per second.
//   tokenizer_bench MODEL.gguf TEXT [Google Benchmark's flags]
#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "gguf/reader.h"
#include "text/bpe.h"

namespace quern {
namespace {

VocabSpec spec_of(const ModelCard& card) {
  VocabSpec spec;
  spec.pre = card.string("tokenizer.ggml.pre").value_or("");
  if (const auto tokens = card.strings("tokenizer.ggml.tokens")) {
    spec.tokens.assign(tokens->begin(), tokens->end());
  }
  if (const auto merges = card.strings("tokenizer.ggml.merges")) {
    spec.merges.assign(merges->begin(), merges->end());
  }
  if (const auto types = card.i64s("tokenizer.ggml.token_type")) {
    for (const int64_t type : *types) {
      spec.types.push_back(static_cast<TokenType>(type));
    }
  }
  return spec;
}

void bench_encode(benchmark::State& state, const WordModel& model, const std::string& text) {
  std::vector<TokenId> ids;
  for (auto _ : state) {
    ids.clear();
    model.encode(text, {}, ids);
    benchmark::DoNotOptimize(ids.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
  state.counters["tokens"] = static_cast<double>(ids.size());
}

std::string repeated(std::string_view unit, size_t n_bytes) {
  std::string text;
  while (text.size() < n_bytes) {
    text += unit;
  }
  return text;
}

// Texts that cost a careless tokenizer quadratic time, 1 MB each.
std::vector<std::pair<std::string, std::string>> hard_texts() {
  constexpr size_t kBytes = 1000000;
  std::vector<std::pair<std::string, std::string>> texts;
  const std::pair<const char*, const char*> units[] = {
      {"letter", "a"},    {"spaces", " "},         {"digits", "7"},     {"newlines", "\n"},
      {"punct", "!"},     {"emoji", "\U0001F600"}, {"han", "\u4E2D"},   {"upper", "A"},
      {"word_ab", "ab"},  {"mixed", "a 1!\n"},     {"marks", "\u0301"}, {"quotes", "'s"},
      {"zero", {"\xFF"}}, {"tabs", "\t"},          {"space_nl", " \n"}};
  texts.reserve(std::size(units));
  for (const auto& [name, unit] : units) {
    texts.emplace_back(name, repeated(unit, kBytes));
  }
  std::string letters;
  uint32_t seed = 1;
  while (letters.size() < kBytes) {
    seed = seed * 1664525 + 1013904223;
    letters += static_cast<char>('a' + (seed >> 24) % 26);
  }
  texts.emplace_back("random_letters", std::move(letters));
  return texts;
}

int run(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: tokenizer_bench MODEL.gguf TEXT [flags]\n", stderr);
    return 2;
  }
  const auto card = read_model_card(argv[1]);
  if (!card) {
    std::fputs((card.error().to_string() + "\n").c_str(), stderr);
    return 1;
  }
  std::ifstream file(argv[2], std::ios::binary);
  const std::string prose{std::istreambuf_iterator<char>(file), {}};
  const VocabSpec spec = spec_of(*card);
  const auto model = make_bpe_model(spec, Log::to_stderr(false));
  if (!model) {
    std::fputs((model.error().to_string() + "\n").c_str(), stderr);
    return 1;
  }
  benchmark::RegisterBenchmark("create", [&](benchmark::State& state) {
    for (auto _ : state) {
      benchmark::DoNotOptimize(make_bpe_model(spec, Log()));
    }
  })->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("prose", [&](benchmark::State& state) {
    bench_encode(state, **model, prose);
  })->Unit(benchmark::kMillisecond);
  const auto texts = hard_texts();
  for (const auto& [name, text] : texts) {
    benchmark::RegisterBenchmark(("hard/" + name).c_str(), [&](benchmark::State& state) {
      bench_encode(state, **model, text);
    })->Unit(benchmark::kMillisecond);
  }
  int n_flags = argc - 2;
  char** const flags = argv + 2;
  benchmark::Initialize(&n_flags, flags);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace quern

int main(int argc, char** argv) {
  return quern::run(argc, argv);
}
