// The promise: a token's logits are the same bits whether its sequence runs alone in one chunk on
// one thread, or in any mix of sequences, chunk sizes, orders and thread counts.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <span>

#include "support/matrix.h"
#include "support/model_runner.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace quern {
namespace {

constexpr uint32_t kBlocks = 512;

std::vector<TokenId> random_tokens(size_t n, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<TokenId> tokens(n);
  for (TokenId& token : tokens) {
    token = TokenId{static_cast<int32_t>(engine() % 300)};
  }
  return tokens;
}

// Feeds all sequences in random chunks and random company until each is through.
std::vector<std::vector<float>> run_mixed(test::ModelRunner& runner,
                                          const std::vector<std::vector<TokenId>>& texts,
                                          uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<test::ModelRunner::Sequence> sequences;
  for (const auto& text : texts) {
    sequences.push_back(runner.new_sequence(static_cast<uint32_t>(text.size())));
  }
  std::vector<std::vector<float>> logits(texts.size());
  for (bool is_through = false; !is_through;) {
    std::vector<size_t> order(texts.size());
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), engine);
    std::vector<test::ModelRunner::Part> parts;
    std::vector<size_t> owners;
    uint32_t budget = runner.model().max_rows();
    for (const size_t i : order) {
      const auto left = static_cast<uint32_t>(texts[i].size()) - sequences[i].n_done;
      const uint32_t n = std::min({left, budget, static_cast<uint32_t>(engine() % 40)});
      if (n > 0) {
        const auto first = texts[i].begin() + sequences[i].n_done;
        parts.push_back({&sequences[i], {first, first + n}});
        owners.push_back(i);
        budget -= n;
      }
    }
    if (!parts.empty()) {
      const auto rows = runner.step(parts);
      for (size_t p = 0; p < parts.size(); ++p) {
        logits[owners[p]].insert(logits[owners[p]].end(), rows[p].begin(), rows[p].end());
      }
    }
    is_through = std::ranges::all_of(sequences, [&](const auto& s) {
      return s.n_done == texts[static_cast<size_t>(&s - sequences.data())].size();
    });
  }
  return logits;
}

void expect_equal_bits(const std::vector<float>& got, const std::vector<float>& want,
                       const std::string& what) {
  EXPECT_TRUE(std::ranges::equal(std::as_bytes(std::span(got)), std::as_bytes(std::span(want))))
      << what;
}

struct Case {
  DType dtype = DType::f16;
  KvDType kv = KvDType::f16;
  uint32_t n_experts = 0;
};

// 3 of 7 experts: a batch's rows fill several waves, of uneven experts.
constexpr uint32_t kExperts = 7;
constexpr uint32_t kExpertsUsed = 3;

test::TinyModel model_of(const Case& c) {
  test::TinyModel model{.dtype = c.dtype};
  if (c.n_experts > 0) {
    model.architecture = "qwen3moe";
    model.n_experts = c.n_experts;
    model.n_experts_used = kExpertsUsed;
    model.d_ff = 256;
  }
  return model;
}

class Determinism : public testing::TestWithParam<Case> {};

TEST_P(Determinism, EveryMixGivesTheBitsOfALoneRun) {
  const test::TempDir dir;
  const auto path = dir.path() / "tiny.gguf";
  test::write_tiny_model(path, model_of(GetParam()));
  // Long enough for two attention partitions, short enough to be the odd ones out.
  std::vector<std::vector<TokenId>> texts;
  for (const size_t n : {300U, 1U, 17U, 64U, 33U}) {
    texts.push_back(random_tokens(n, n));
  }
  for (const KernelTable* table : test::runnable_tables()) {
    if (table->isa == "scalar" && GetParam().dtype != DType::q4_k) {
      continue;  // the specification is slow, and one format shows its order of work
    }
    const auto open = [&](uint32_t n_threads) {
      return test::ModelRunner::open(path, {.n_threads = n_threads,
                                            .isa = std::string(table->isa),
                                            .kv = GetParam().kv,
                                            .n_blocks = kBlocks});
    };
    std::vector<std::vector<float>> alone;
    const auto lone = open(1);
    ASSERT_NE(lone, nullptr);
    for (const auto& text : texts) {
      alone.push_back(lone->logits(text, 128));
    }
    for (const uint32_t n_threads : {1U, 2U, 3U, 5U}) {
      const auto runner = open(n_threads);
      ASSERT_NE(runner, nullptr);
      const auto mixed = run_mixed(*runner, texts, n_threads);
      for (size_t i = 0; i < texts.size(); ++i) {
        expect_equal_bits(mixed[i], alone[i],
                          std::string(table->isa) + ", " + std::to_string(n_threads) +
                              " threads, text " + std::to_string(i));
      }
    }
  }
}

// What the last layer computes for the wanted rows alone is what it computes for all of them, and
// the keys and values of the others are there for the next step.
TEST_P(Determinism, RowsOfWhichNothingIsWantedChangeNothing) {
  const test::TempDir dir;
  const auto path = dir.path() / "tiny.gguf";
  test::write_tiny_model(path, model_of(GetParam()));
  const std::vector<size_t> lengths = {40, 7, 1, 33};
  const std::vector<std::vector<uint32_t>> wanted = {{0, 1, 5, 39}, {}, {0}, {31, 32}};
  for (const KernelTable* table : test::runnable_tables()) {
    if (table->isa == "scalar" && GetParam().dtype != DType::q4_k) {
      continue;
    }
    const auto runner =
        test::ModelRunner::open(path, {.isa = std::string(table->isa), .kv = GetParam().kv});
    ASSERT_NE(runner, nullptr);
    std::vector<test::ModelRunner::Sequence> of_all;
    std::vector<test::ModelRunner::Sequence> of_some;
    for (const size_t length : lengths) {
      of_all.push_back(runner->new_sequence(static_cast<uint32_t>(length) + 1));
      of_some.push_back(runner->new_sequence(static_cast<uint32_t>(length) + 1));
    }
    std::vector<test::ModelRunner::Part> all;
    std::vector<test::ModelRunner::Part> some;
    std::vector<test::ModelRunner::Part> next_of_all;
    std::vector<test::ModelRunner::Part> next_of_some;
    for (size_t i = 0; i < lengths.size(); ++i) {
      const auto text = random_tokens(lengths[i], i);
      all.push_back({&of_all[i], text});
      some.push_back({&of_some[i], text, wanted[i]});
      next_of_all.push_back({&of_all[i], random_tokens(1, i + 9)});
      next_of_some.push_back({&of_some[i], random_tokens(1, i + 9)});
    }
    const auto logits_of_all = runner->step(all);
    const auto logits_of_some = runner->step(some);
    const size_t width = runner->vocab_size();
    for (size_t i = 0; i < lengths.size(); ++i) {
      std::vector<float> want;
      for (const uint32_t row : wanted[i]) {
        const auto first = logits_of_all[i].begin() + static_cast<std::ptrdiff_t>(row * width);
        want.insert(want.end(), first, first + static_cast<std::ptrdiff_t>(width));
      }
      expect_equal_bits(logits_of_some[i], want, std::string(table->isa) + ", wanted rows");
    }
    const auto after_all = runner->step(next_of_all);
    const auto after_some = runner->step(next_of_some);
    for (size_t i = 0; i < lengths.size(); ++i) {
      expect_equal_bits(after_some[i], after_all[i], std::string(table->isa) + ", next token");
    }
  }
}

std::vector<Case> cases() {
  std::vector<Case> list;
  for (const DType dtype : test::kernel_dtypes()) {
    list.push_back({.dtype = dtype});
  }
  list.push_back({.dtype = DType::q8_0, .kv = KvDType::f32});
  list.push_back({.dtype = DType::q8_0, .kv = KvDType::q8_0});
  for (const DType dtype : {DType::f16, DType::q4_0, DType::q4_k, DType::q6_k}) {
    list.push_back({.dtype = dtype, .n_experts = kExperts});
  }
  return list;
}

std::string case_name(const testing::TestParamInfo<Case>& info) {
  constexpr const char* kKvNames[] = {"kv_f16", "kv_f32", "kv_q8_0"};
  return std::string(name(info.param.dtype)) + "_" + kKvNames[static_cast<size_t>(info.param.kv)] +
         (info.param.n_experts > 0 ? "_experts" : "");
}

INSTANTIATE_TEST_SUITE_P(EveryFormat, Determinism, testing::ValuesIn(cases()), case_name);

// Single decode steps of several sequences together, deep enough that partitions are dealt to
// threads.
TEST(DeterminismAtDepth, DecodingTogetherAtDepthGivesTheBitsOfALoneRun) {
  const test::TempDir dir;
  const auto path = dir.path() / "tiny.gguf";
  test::write_tiny_model(path, {.dtype = DType::q4_0, .n_heads = 8, .n_kv_heads = 2});
  const auto text = random_tokens(1400, 7);
  const auto lone = test::ModelRunner::open(path, {.n_threads = 1, .n_blocks = kBlocks});
  const auto want = lone->logits(text, 128);
  const auto runner = test::ModelRunner::open(path, {.n_threads = 2, .n_blocks = kBlocks});
  auto deep = runner->new_sequence(1400);
  auto other = runner->new_sequence(1400);
  const auto vocab = runner->vocab_size();
  const auto part = [&](uint32_t from, uint32_t to) {
    return std::vector<TokenId>(text.begin() + from, text.begin() + to);
  };
  for (uint32_t at = 0; at < 1390; at += 10) {
    const uint32_t n = at < 1300 ? 10 : 1;
    for (uint32_t i = 0; i < 10; i += n) {
      const auto rows =
          runner->step({{&deep, part(at + i, at + i + n)}, {&other, part(at + i, at + i + n)}});
      for (const auto& logits : rows) {
        const std::vector<float> expected(want.begin() + (at + i) * vocab,
                                          want.begin() + (at + i + n) * vocab);
        expect_equal_bits(logits, expected, "position " + std::to_string(at + i));
      }
    }
  }
}

}  // namespace
}  // namespace quern
