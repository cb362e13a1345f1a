// Speed of byte-level BPE on one thread: building the model of a vocabulary, and encoding a text,
// in bytes of text per second.
//   QUERN_BENCH_VOCAB=MODEL.gguf QUERN_BENCH_TEXT=FILE quern_bench --benchmark_filter=bpe
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
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
  state.SetBytesProcessed(
      static_cast<int64_t>(static_cast<size_t>(state.iterations()) * text.size()));
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

struct Inputs {
  ModelCard card;
  VocabSpec spec;  // views into card
  std::string prose;
};

// Empty, with the benchmark marked as skipped, where the environment names no files.
std::unique_ptr<Inputs> load(benchmark::State& state) {
  const char* const vocab = std::getenv("QUERN_BENCH_VOCAB");
  const char* const text = std::getenv("QUERN_BENCH_TEXT");
  if (vocab == nullptr || text == nullptr) {
    state.SkipWithError("set QUERN_BENCH_VOCAB and QUERN_BENCH_TEXT");
    return nullptr;
  }
  auto card = read_model_card(vocab);
  if (!card) {
    state.SkipWithError(card.error().to_string().c_str());
    return nullptr;
  }
  auto inputs = std::make_unique<Inputs>(Inputs{.card = std::move(*card), .spec = {}, .prose = {}});
  inputs->spec = spec_of(inputs->card);
  std::ifstream file(text, std::ios::binary);
  inputs->prose.assign(std::istreambuf_iterator<char>(file), {});
  return inputs;
}

void bpe_create(benchmark::State& state) {
  const auto inputs = load(state);
  if (inputs == nullptr) {
    return;
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(make_bpe_model(inputs->spec, Log()));
  }
}
BENCHMARK(bpe_create)->Unit(benchmark::kMillisecond);

// Argument -1 is the text of the environment; from 0 on the hard ones.
void bpe_encode(benchmark::State& state) {
  const auto inputs = load(state);
  if (inputs == nullptr) {
    return;
  }
  const auto model = make_bpe_model(inputs->spec, Log());
  if (!model) {
    state.SkipWithError(model.error().to_string().c_str());
    return;
  }
  if (state.range(0) < 0) {
    state.SetLabel("prose");
    bench_encode(state, **model, inputs->prose);
    return;
  }
  const auto [name, text] = hard_texts().at(static_cast<size_t>(state.range(0)));
  state.SetLabel(name);
  bench_encode(state, **model, text);
}
BENCHMARK(bpe_encode)->DenseRange(-1, 15)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace quern
