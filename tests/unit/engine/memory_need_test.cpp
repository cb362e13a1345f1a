// How much memory a model is given before it is loaded.
#include "engine/memory_need.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "gguf/reader.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace quern {
namespace {

// 2 layers, 4 KV heads of 32 numbers, f16, keys and values, 16 positions.
constexpr uint64_t kBlockBytes = uint64_t{2} * 4 * 32 * 2 * 2 * 16;

class MemoryNeedTest : public testing::Test {
 protected:
  void SetUp() override { test::write_tiny_model(path(), {.dtype = DType::q8_0}); }
  std::filesystem::path path() const { return dir_.path() / "tiny.gguf"; }

  MemoryNeed need(const EngineConfig& config) const {
    return memory_need(read_model_card(path()).value(), config, 64).value();
  }

  test::TempDir dir_;
};

TEST_F(MemoryNeedTest, CountsWeightsAsStored) {
  EXPECT_EQ(need({}).weights_bytes, read_model_card(path()).value().tensor_bytes());
}

TEST_F(MemoryNeedTest, ThePoolIsWhatWasAskedFor) {
  const MemoryNeed n = need({.kv_bytes = 10 * kBlockBytes + 5});
  EXPECT_EQ(n.block_bytes, kBlockBytes);
  EXPECT_EQ(kv_pool_bytes(n, n.least_bytes()), 10 * kBlockBytes);
  EXPECT_EQ(kv_pool_bytes(n, n.least_bytes() * 100), 10 * kBlockBytes);
  EXPECT_EQ(kv_pool_bytes(n, n.least_bytes() - 1), std::nullopt);
}

TEST_F(MemoryNeedTest, APoolOfLessThanTwoBlocksIsRefusedWithTheLeast) {
  const ModelCard card = read_model_card(path()).value();
  EXPECT_TRUE(memory_need(card, {.kv_bytes = 2 * kBlockBytes}, 64).has_value());
  const auto refused = memory_need(card, {.kv_bytes = 2 * kBlockBytes - 1}, 64);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);  // no retry helps
  EXPECT_EQ(refused.error().expected, fmt::format("--kv-bytes of at least {}", 2 * kBlockBytes));
}

TEST_F(MemoryNeedTest, APoolThatCannotHoldTheContextAskedForIsRefusedWithTheLeast) {
  // 100 tokens take 7 blocks of 16, and one more is being filled.
  const ModelCard card = read_model_card(path()).value();
  EXPECT_TRUE(memory_need(card, {.max_context = 100, .kv_bytes = 8 * kBlockBytes}, 64).has_value());
  const auto refused = memory_need(card, {.max_context = 100, .kv_bytes = 8 * kBlockBytes - 1}, 64);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);
  EXPECT_EQ(refused.error().expected, fmt::format("--kv-bytes of at least {}", 8 * kBlockBytes));
}

TEST_F(MemoryNeedTest, APoolBeyondAllMemoryFitsNowhere) {
  // With the weights, the sum is beyond 64 bits.
  const MemoryNeed n = need({.kv_bytes = UINT64_MAX});
  EXPECT_EQ(n.least_bytes(), UINT64_MAX);
  EXPECT_EQ(kv_pool_bytes(n, uint64_t{1} << 50), std::nullopt);
}

TEST_F(MemoryNeedTest, AnUnaskedPoolHoldsOneToMaxSeqsRequests) {
  // A context of 320 tokens takes 20 blocks, one more is being filled.
  const MemoryNeed n = need({.max_context = 320, .max_seqs = 4});
  EXPECT_EQ(n.n_least_blocks, 21U);
  EXPECT_EQ(n.n_most_blocks, 81U);
  const uint64_t fixed = n.weights_bytes + n.activations_bytes;
  EXPECT_EQ(kv_pool_bytes(n, fixed + 21 * kBlockBytes), 21 * kBlockBytes);
  EXPECT_EQ(kv_pool_bytes(n, fixed + 100 * kBlockBytes), 50 * kBlockBytes);
  EXPECT_EQ(kv_pool_bytes(n, fixed + 1000 * kBlockBytes), 81 * kBlockBytes);
  EXPECT_EQ(kv_pool_bytes(n, fixed + 21 * kBlockBytes - 1), std::nullopt);
}

TEST_F(MemoryNeedTest, AContextThatNobodyAskedForIsTheModelsOwnUpTo4096) {
  // The model's is 2048: 128 blocks.
  EXPECT_EQ(need({.max_seqs = 2}).n_least_blocks, 129U);
  EXPECT_EQ(need({.max_seqs = 2}).n_most_blocks, 257U);
  test::write_tiny_model(path(), {.dtype = DType::q8_0, .max_context = 1U << 17});
  EXPECT_EQ(need({.max_seqs = 2}).n_least_blocks, 257U);
}

}  // namespace
}  // namespace quern
