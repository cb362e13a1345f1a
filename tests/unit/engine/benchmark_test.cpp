// Whole-model speed: what is counted, never how fast it was.
#include "engine/benchmark.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace quern {
namespace {

class BenchmarkTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto path = dir_.path() / "tiny.gguf";
    test::write_tiny_model(path, {.dtype = DType::q4_0});
    auto loaded = LoadedModel::load({.path = path, .n_threads = 1, .max_batch_tokens = 16}, Log());
    ASSERT_TRUE(loaded.has_value()) << loaded.error().to_string();
    loaded_ = std::move(*loaded);
  }

  BenchmarkResult run(const BenchmarkSpec& spec) {
    auto result = run_benchmark(*loaded_, spec, [this](uint32_t rep) { reps_.push_back(rep); });
    EXPECT_TRUE(result.has_value()) << result.error().to_string();
    return *result;
  }

  test::TempDir dir_;
  std::unique_ptr<LoadedModel> loaded_;
  std::vector<uint32_t> reps_;
};

TEST_F(BenchmarkTest, IsTitledAsLlamaBenchTitlesIt) {
  EXPECT_EQ(run({.n_prompt = 20, .n_reps = 1}).test, "pp20");
  EXPECT_EQ(run({.n_gen = 3, .n_reps = 1}).test, "tg3");
  EXPECT_EQ(run({.n_gen = 3, .n_depth = 8, .n_seqs = 2, .n_reps = 1}).test, "tg3 @ d8 x 2");
}

TEST_F(BenchmarkTest, ToldIsTheMedianOfAllRepetitions) {
  const BenchmarkResult result = run({.n_gen = 2, .n_seqs = 2, .n_reps = 3});
  EXPECT_EQ(reps_, (std::vector<uint32_t>{0, 1, 2}));
  ASSERT_EQ(result.samples.size(), 3U);
  std::vector<double> sorted = result.samples;
  std::ranges::sort(sorted);
  EXPECT_EQ(result.tokens_per_s, sorted[1]);
  EXPECT_GT(sorted[0], 0.0);
}

// A token of each of 3 sequences is one pass over the weights, whose last rows fill up to a tile.
TEST_F(BenchmarkTest, CountsTheWeightsThatAPassReads) {
  const BenchmarkResult result = run({.n_gen = 4, .n_seqs = 3, .n_reps = 1});
  const WeightCount weights = count_weights(*loaded_);
  const double bytes_per_token = result.gb_per_s * 1e9 / result.tokens_per_s;
  EXPECT_GE(bytes_per_token, static_cast<double>(weights.n_bytes) / 3 - 1.0);
  EXPECT_LT(bytes_per_token, static_cast<double>(weights.n_bytes) / 3 * 1.02);
  const double ops_per_token = result.tops * 1e12 / result.tokens_per_s;
  EXPECT_NEAR(ops_per_token,
              2.0 * static_cast<double>(weights.n_layer_weights + weights.n_head_weights), 1.0);
  EXPECT_TRUE(weights.quantised);
}

// All of the first layer for all tokens, keys and values of the last one too; the rest of that, and
// the head, for the last token alone.
TEST_F(BenchmarkTest, CountsWhatAPromptComputes) {
  const BenchmarkResult result = run({.n_prompt = 40, .n_reps = 1});
  const double kv = 2.0 * 128 * 256;
  const double others = 2.0 * 256 * 256 + 3.0 * 256 * 512;
  const double head = 300.0 * 256;
  const double ops = 2 * (40 * (2 * kv + others) + others + head);
  EXPECT_NEAR(result.tops * 1e12 / result.tokens_per_s * 40, ops, 40.0);
}

// 2 layers of q, k, v, output and three feed-forward matrices, and a head of 300 rows; the
// embedding is looked up, not multiplied with.
TEST_F(BenchmarkTest, CountsNoEmbeddingThatIsNoHead) {
  const WeightCount weights = count_weights(*loaded_);
  const uint64_t per_layer =
      uint64_t{256} * 256 * 2 + uint64_t{128} * 256 * 2 + uint64_t{256} * 512 * 3;
  EXPECT_EQ(weights.n_layer_weights, 2 * per_layer);
  EXPECT_EQ(weights.n_head_weights, uint64_t{300} * 256);
  EXPECT_EQ(weights.n_bytes, (2 * per_layer + uint64_t{300} * 256) / 32 * 18);  // Q4_0
}

TEST(MachinePeakTest, OfAnUnknownInstructionSetIsRefused) {
  const auto peak = measure_peak({.n_threads = 1, .isa = "avx9000"});
  ASSERT_FALSE(peak.has_value());
  EXPECT_EQ(peak.error().kind, ErrorKind::usage);
  EXPECT_NE(peak.error().what.find("avx9000"), std::string::npos);
}

}  // namespace
}  // namespace quern
