#include "cache/prefix_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace quern {
namespace {

constexpr uint32_t kBlockTokens = 4;
using Tokens = std::vector<TokenId>;

Tokens tokens_of(std::initializer_list<int32_t> values) {
  Tokens tokens;
  for (const int32_t v : values) {
    tokens.push_back(TokenId{v});
  }
  return tokens;
}

class PrefixCacheTest : public ::testing::Test {
 protected:
  BlockPool pool{8};
  PrefixCache cache{pool, {.n_block_tokens = kBlockTokens, .seed = 42}};

  BlockTable new_table(std::string_view salt = {}) {
    BlockTable table;
    table.root = cache.root(salt);
    return table;
  }

  // A sequence that computes all its tokens itself and publishes them.
  BlockTable computed(const Tokens& tokens, std::string_view salt = {}) {
    BlockTable table = new_table(salt);
    for (size_t i = 0; i < tokens.size(); i += kBlockTokens) {
      table.blocks.push_back(pool.allocate());
    }
    cache.publish(tokens, table, {.begin = 0, .end = static_cast<uint32_t>(tokens.size())});
    return table;
  }

  uint32_t n_matched(const Tokens& tokens, std::string_view salt = {}) {
    BlockTable table = new_table(salt);
    return cache.match(tokens, table).n_blocks;
  }
};

TEST_F(PrefixCacheTest, FindsTheLongestCachedPrefixAndLeavesOneTokenToCompute) {
  const BlockTable first = computed(tokens_of({1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(n_matched(tokens_of({1, 2, 3, 4, 5, 6, 7, 8, 9})), 2U);
  EXPECT_EQ(n_matched(tokens_of({1, 2, 3, 4, 5, 6, 7, 8})), 1U) << "the 8th is left to compute";
  EXPECT_EQ(n_matched(tokens_of({1, 2, 3, 4, 5})), 1U);
  EXPECT_EQ(n_matched(tokens_of({1, 2, 3, 4})), 0U);
  EXPECT_EQ(n_matched(tokens_of({1, 2, 3, 4, 5, 6, 7, 0, 9})), 1U);
  EXPECT_EQ(n_matched(tokens_of({0, 2, 3, 4, 5, 6, 7, 8, 9})), 0U);
  EXPECT_EQ(n_matched({}), 0U);
}

TEST_F(PrefixCacheTest, ABlockCountsOnlyBehindItsOwnParents) {
  const BlockTable first = computed(tokens_of({1, 1, 1, 1, 2, 2, 2, 2}));
  EXPECT_EQ(n_matched(tokens_of({2, 2, 2, 2, 9})), 0U);
  EXPECT_EQ(n_matched(tokens_of({3, 3, 3, 3, 2, 2, 2, 2, 9})), 0U);
}

TEST_F(PrefixCacheTest, SaltsShareNothing) {
  const Tokens tokens = tokens_of({1, 2, 3, 4, 5});
  const BlockTable first = computed(tokens, "tenant a");
  EXPECT_EQ(n_matched(tokens, "tenant a"), 1U);
  EXPECT_EQ(n_matched(tokens, "tenant b"), 0U);
  EXPECT_EQ(n_matched(tokens, ""), 0U);
}

TEST_F(PrefixCacheTest, SeedsChangeEveryHash) {
  BlockPool other_pool(1);
  const PrefixCache other(other_pool, {.n_block_tokens = kBlockTokens, .seed = 43});
  BlockTable a = new_table();
  BlockTable b;
  b.root = other.root("");
  const Tokens tokens = tokens_of({1, 2, 3, 4, 5});
  EXPECT_NE(a.root, b.root);
  EXPECT_NE(cache.hash_at(tokens, a, 0), other.hash_at(tokens, b, 0));
}

TEST_F(PrefixCacheTest, AttachingSharesBlocksWithoutCopies) {
  const Tokens tokens = tokens_of({1, 2, 3, 4, 5, 6, 7, 8, 9});
  BlockTable first = computed(tokens);
  BlockTable second = new_table();
  EXPECT_EQ(cache.match(tokens, second).n_idle_blocks, 0U);
  EXPECT_EQ(cache.attach(tokens, second, 0), 2U);
  EXPECT_EQ(second.blocks, std::vector<BlockId>(first.blocks.begin(), first.blocks.begin() + 2));
  EXPECT_EQ(pool.n_refs(first.blocks[0]), 2U);
  EXPECT_EQ(pool.n_refs(first.blocks[2]), 1U);
  release_blocks(pool, first);
  EXPECT_EQ(pool.n_used(), 2U);
  release_blocks(pool, second);
  EXPECT_EQ(pool.n_used(), 0U);
  EXPECT_EQ(pool.n_cached(), 2U);
  EXPECT_EQ(cache.match(tokens, second).n_idle_blocks, 2U);
  EXPECT_TRUE(cache.check());
}

TEST_F(PrefixCacheTest, AttachingLaterReplacesOwnBlocks) {
  const Tokens tokens = tokens_of({1, 2, 3, 4, 5, 6, 7, 8, 9});
  BlockTable second = new_table();
  second.blocks = {pool.allocate(), pool.allocate(), pool.allocate()};
  const std::vector<BlockId> own = second.blocks;
  EXPECT_EQ(cache.attach(tokens, second, 0), 0U);
  const BlockTable first = computed(tokens);
  // As if it had computed its first block itself meanwhile.
  EXPECT_EQ(cache.attach(tokens, second, 1), 1U);
  EXPECT_EQ(second.blocks, (std::vector<BlockId>{own[0], first.blocks[1], own[2]}));
  EXPECT_EQ(pool.n_refs(own[1]), 0U);
  EXPECT_EQ(pool.n_used(), 5U);
}

TEST_F(PrefixCacheTest, PublishingTheSameContentsTwiceKeepsOneBlock) {
  const Tokens tokens = tokens_of({1, 2, 3, 4, 5});
  const BlockTable first = computed(tokens);
  const BlockTable second = computed(tokens);
  EXPECT_EQ(second.blocks[0], first.blocks[0]);
  EXPECT_NE(second.blocks[1], first.blocks[1]) << "a block that is not full stays private";
  EXPECT_EQ(pool.n_used(), 3U);
  EXPECT_EQ(cache.n_entries(), 1U);
  EXPECT_TRUE(cache.check());
}

TEST_F(PrefixCacheTest, EvictsThePrefixesEndFirst) {
  const Tokens tokens = tokens_of({1, 2, 3, 4, 5, 6, 7, 8, 9});
  BlockTable first = computed(tokens);
  release_blocks(pool, first);
  EXPECT_EQ(n_matched(tokens), 2U);
  // 8 blocks: 2 cached, 6 free or untouched; the 7th allocation evicts.
  for (int i = 0; i < 7; ++i) {
    EXPECT_NE(pool.allocate(), kNoBlock);
  }
  EXPECT_EQ(cache.n_evicted_blocks(), 1U);
  EXPECT_EQ(n_matched(tokens), 1U) << "the first block is still found";
  EXPECT_TRUE(cache.check());
}

TEST_F(PrefixCacheTest, ForgetsWhatFailed) {
  const Tokens tokens = tokens_of({1, 2, 3, 4, 5});
  BlockTable first = computed(tokens);
  cache.forget(first);
  EXPECT_EQ(n_matched(tokens), 0U);
  EXPECT_EQ(cache.n_entries(), 0U);
  release_blocks(pool, first);
  EXPECT_EQ(pool.n_cached(), 0U);
  EXPECT_TRUE(cache.check());
}

TEST(PrefixCache, DisabledItFindsAndKeepsNothing) {
  BlockPool pool(2);
  PrefixCache cache(pool, {.n_block_tokens = kBlockTokens, .enabled = false});
  const Tokens tokens = tokens_of({1, 2, 3, 4, 5});
  BlockTable table;
  table.blocks = {pool.allocate(), pool.allocate()};
  cache.publish(tokens, table, {.begin = 0, .end = 5});
  EXPECT_EQ(cache.match(tokens, table).n_blocks, 0U);
  release_blocks(pool, table);
  EXPECT_EQ(pool.n_free(), 2U);
}

// The outside truth is a std::map from (salt, leading tokens) to the block. A tiny alphabet makes
// sharing frequent, a tiny pool makes eviction and long probe chains frequent.
TEST(PrefixCache, AgreesWithAMapUnderRandomUse) {
  BlockPool pool(16);
  PrefixCache cache(pool, {.n_block_tokens = 2, .seed = 1});
  std::map<Tokens, BlockId> truth;
  std::vector<std::pair<Tokens, BlockTable>> live;
  std::mt19937 rng(11);
  const auto check_against_truth = [&] {
    std::erase_if(truth, [&](const auto& entry) { return !pool.is_cached(entry.second); });
    ASSERT_EQ(truth.size(), cache.n_entries());
  };
  for (int step = 0; step < 20'000; ++step) {
    if (live.size() == 3 || (!live.empty() && rng() % 3 == 0)) {
      const size_t victim = rng() % live.size();
      release_blocks(pool, live[victim].second);
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(victim));
      continue;
    }
    Tokens tokens;
    for (size_t i = 0; i < 5 + rng() % 6; ++i) {
      tokens.push_back(TokenId{static_cast<int32_t>(rng() % 2)});
    }
    BlockTable table;
    table.root = cache.root("");
    const uint32_t n_attached = cache.attach(tokens, table, 0);
    uint32_t n_expected = 0;
    while ((n_expected + 1) * 2 < tokens.size() &&
           truth.contains(Tokens(tokens.begin(), tokens.begin() + (n_expected + 1) * 2))) {
      ++n_expected;
    }
    ASSERT_EQ(n_attached, n_expected);
    for (uint32_t i = 0; i < n_attached; ++i) {
      ASSERT_EQ(table.blocks[i], truth.at(Tokens(tokens.begin(), tokens.begin() + (i + 1) * 2)));
    }
    while (table.n_blocks() < (tokens.size() + 1) / 2) {
      table.blocks.push_back(pool.allocate());
      ASSERT_NE(table.blocks.back(), kNoBlock);
      // Evicted contents may be in use again at once under another key.
      std::erase_if(truth, [&](const auto& entry) { return entry.second == table.blocks.back(); });
    }
    cache.publish(tokens, table,
                  {.begin = n_attached * 2, .end = static_cast<uint32_t>(tokens.size())});
    for (uint32_t i = 0; (i + 1) * 2 <= tokens.size(); ++i) {
      const Tokens key(tokens.begin(), tokens.begin() + (i + 1) * 2);
      const auto [entry, is_new] = truth.try_emplace(key, table.blocks[i]);
      ASSERT_EQ(entry->second, table.blocks[i]);
    }
    live.emplace_back(std::move(tokens), std::move(table));
    check_against_truth();
    ASSERT_TRUE(pool.check());
    ASSERT_TRUE(cache.check());
  }
  EXPECT_GT(cache.n_evicted_blocks(), 1000U);
}

}  // namespace
}  // namespace quern
