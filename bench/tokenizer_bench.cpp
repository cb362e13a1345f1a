// Speed of one vocabulary of any kind, on one thread: building its tokenizer, encoding prose, and
// encoding texts that cost a careless tokenizer quadratic time. `x_prose` is how many times as long
// a byte of the text takes as one of prose, both timed in turn.
//   QUERN_BENCH_VOCAB=MODEL.gguf QUERN_BENCH_TEXT=FILE tokenizer_bench --benchmark_filter=encode
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "gguf/reader.h"
#include "model/tokenizer_from_card.h"
#include "text/utf8.h"

namespace quern {
namespace {

constexpr size_t kHardBytes = 1000000;

struct HardText {
  const char* name;
  const char* unit;     // repeated, or the alphabet
  bool random = false;  // characters of the alphabet in random order
};

constexpr HardText kHardTexts[] = {
    {"a", "a"},
    {"e", "e"},
    {"upper", "A"},
    {"dashes", "-"},
    {"equals", "="},
    {"exclamations", "!"},
    {"spaces", " "},
    {"tabs", "\t"},
    {"newlines", "\n"},
    {"digits", "7"},
    {"han", "\u4E2D"},
    {"emoji", "\U0001F600"},
    {"accents", "\u0301"},
    {"bad_bytes", "\xFF"},
    {"ab", "ab"},
    {"mixed", "a 1!\n"},
    {"quotes", "'s"},
    {"space_newline", " \n"},
    {"random_letters", "abcdefghijklmnopqrstuvwxyz", true},
    {"random_common_letters", "etaoinsr", true},
    {"random_ab", "ab", true},
    {"random_dashes", "-=", true},
    {"random_digits", "0123456789", true},
    {"random_han", "\u7684\u4E00\u662F\u4E0D\u4E86\u4EBA\u6211\u5728\u6709\u4ED6\u8FD9\u4E3A",
     true},
};

std::string make_text(const HardText& hard) {
  std::vector<std::string_view> units;
  for (std::string_view rest = hard.unit; !rest.empty(); rest.remove_prefix(units.back().size())) {
    units.push_back(hard.random ? rest.substr(0, decode_utf8(rest).n_bytes) : rest);
  }
  std::string text;
  uint32_t seed = 1;
  while (text.size() < kHardBytes) {
    seed = seed * 1664525 + 1013904223;
    text += units[(seed >> 24) % units.size()];
  }
  return text;
}

// Null, with the benchmark marked as skipped, where the environment names no file.
const char* need_environment(benchmark::State& state, const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) {
    state.SkipWithError("set QUERN_BENCH_VOCAB and QUERN_BENCH_TEXT");
  }
  return value;
}

std::unique_ptr<ModelCard> load_card(benchmark::State& state) {
  const char* const path = need_environment(state, "QUERN_BENCH_VOCAB");
  if (path == nullptr) {
    return nullptr;
  }
  auto card = read_model_card(path);
  if (!card) {
    state.SkipWithError(card.error().to_string().c_str());
    return nullptr;
  }
  return std::make_unique<ModelCard>(std::move(*card));
}

std::unique_ptr<const Tokenizer> load_tokenizer(benchmark::State& state) {
  const auto card = load_card(state);
  if (card == nullptr) {
    return nullptr;
  }
  auto tokenizer = make_tokenizer(*card, Log());
  if (!tokenizer) {
    state.SkipWithError(tokenizer.error().to_string().c_str());
    return nullptr;
  }
  return std::move(*tokenizer);
}

// Empty where there is none.
std::string load_prose(benchmark::State& state) {
  const char* const path = need_environment(state, "QUERN_BENCH_TEXT");
  if (path == nullptr) {
    return {};
  }
  std::ifstream file(path, std::ios::binary);
  std::string prose{std::istreambuf_iterator<char>(file), {}};
  if (prose.empty()) {
    state.SkipWithError("QUERN_BENCH_TEXT names no text");
  }
  return prose;
}

// Seconds that one encoding takes.
double time_encode(const Tokenizer& tokenizer, const std::string& text, size_t& n_tokens) {
  const auto start = std::chrono::steady_clock::now();
  const auto ids = tokenizer.encode(text, {.add_special = false, .parse_special = false});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  n_tokens = ids ? ids->size() : 0;
  return took.count();
}

void create(benchmark::State& state) {
  const auto card = load_card(state);
  if (card == nullptr) {
    return;
  }
  for (const auto _ : state) {
    benchmark::DoNotOptimize(make_tokenizer(*card, Log()));
  }
}
BENCHMARK(create)->Unit(benchmark::kMillisecond);

void encode_prose(benchmark::State& state) {
  const auto tokenizer = load_tokenizer(state);
  const std::string prose = load_prose(state);
  if (tokenizer == nullptr || prose.empty()) {
    return;
  }
  size_t n_tokens = 0;
  for (const auto _ : state) {
    state.SetIterationTime(time_encode(*tokenizer, prose, n_tokens));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(prose.size()));
  state.counters["tokens"] = static_cast<double>(n_tokens);
}
BENCHMARK(encode_prose)->Name("encode/prose")->UseManualTime()->Unit(benchmark::kMillisecond);

void encode_hard(benchmark::State& state, const HardText& hard) {
  const auto tokenizer = load_tokenizer(state);
  const std::string prose = load_prose(state);
  if (tokenizer == nullptr || prose.empty()) {
    return;
  }
  const std::string text = make_text(hard);
  size_t n_tokens = 0;
  // The best of all turns: what else the machine does only ever adds.
  double best = std::numeric_limits<double>::max();
  double best_prose = best;
  for (const auto _ : state) {
    best_prose = std::min(best_prose, time_encode(*tokenizer, prose, n_tokens));
    const double took = time_encode(*tokenizer, text, n_tokens);
    best = std::min(best, took);
    state.SetIterationTime(took);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
  state.counters["tokens"] = static_cast<double>(n_tokens);
  state.counters["best_ms"] = best * 1e3;
  state.counters["x_prose"] =
      best / static_cast<double>(text.size()) / (best_prose / static_cast<double>(prose.size()));
}

const bool kRegistered = [] {
  for (const HardText& hard : kHardTexts) {
    benchmark::RegisterBenchmark((std::string("encode/") + hard.name).c_str(), encode_hard, hard)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  }
  return true;
}();

}  // namespace
}  // namespace quern
