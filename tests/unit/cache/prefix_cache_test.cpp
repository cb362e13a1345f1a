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

// The outside truth is a std::map from leading tokens to the block that holds the last of them. A
// tiny alphabet makes sharing frequent, a tiny pool makes eviction and long probe chains frequent.
class RandomUse {
 public:
  void step() {
    if (live_.size() == 3 || (!live_.empty() && rng_() % 3 == 0)) {
      const auto victim = live_.begin() + static_cast<std::ptrdiff_t>(rng_() % live_.size());
      release_blocks(pool_, *victim);
      live_.erase(victim);
      return;
    }
    run_sequence(random_tokens());
    std::erase_if(truth_, [&](const auto& entry) { return !pool_.is_cached(entry.second); });
    ASSERT_EQ(truth_.size(), cache_.n_entries());
    ASSERT_TRUE(pool_.check());
    ASSERT_TRUE(cache_.check());
  }

  uint64_t n_evicted_blocks() const { return cache_.n_evicted_blocks(); }

 private:
  static constexpr uint32_t kTokens = 2;  // in a block

  static Tokens leading(const Tokens& tokens, size_t n_blocks) {
    return {tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(n_blocks * kTokens)};
  }

  Tokens random_tokens() {
    Tokens tokens(5 + rng_() % 6);
    for (TokenId& token : tokens) {
      token = TokenId{static_cast<int32_t>(rng_() % 2)};
    }
    return tokens;
  }

  void run_sequence(const Tokens& tokens) {
    BlockTable table;
    table.root = cache_.root("");
    const uint32_t n_attached = cache_.attach(tokens, table, 0);
    check_attached(tokens, table);
    while (table.n_blocks() < (tokens.size() + 1) / kTokens) {
      table.blocks.push_back(pool_.allocate());
      ASSERT_NE(table.blocks.back(), kNoBlock);
      // Evicted contents may be in use again at once under another key.
      std::erase_if(truth_, [&](const auto& entry) { return entry.second == table.blocks.back(); });
    }
    cache_.publish(tokens, table,
                   {.begin = n_attached * kTokens, .end = static_cast<uint32_t>(tokens.size())});
    for (size_t i = 0; i < tokens.size() / kTokens; ++i) {
      const auto [entry, is_new] = truth_.try_emplace(leading(tokens, i + 1), table.blocks[i]);
      ASSERT_EQ(entry->second, table.blocks[i]);
    }
    live_.push_back(std::move(table));
  }

  void check_attached(const Tokens& tokens, const BlockTable& table) {
    size_t n_expected = 0;
    while ((n_expected + 1) * kTokens < tokens.size() &&
           truth_.contains(leading(tokens, n_expected + 1))) {
      ++n_expected;
    }
    ASSERT_EQ(table.blocks.size(), n_expected);
    for (size_t i = 0; i < n_expected; ++i) {
      ASSERT_EQ(table.blocks[i], truth_.at(leading(tokens, i + 1)));
    }
  }

  BlockPool pool_{16};
  PrefixCache cache_{pool_, {.n_block_tokens = kTokens, .seed = 1}};
  std::map<Tokens, BlockId> truth_;
  std::vector<BlockTable> live_;
  std::mt19937 rng_{11};
};

TEST(PrefixCache, AgreesWithAMapUnderRandomUse) {
  RandomUse use;
  for (int i = 0; i < 20'000 && !HasFatalFailure(); ++i) {
    use.step();
  }
  EXPECT_GT(use.n_evicted_blocks(), 1000U);
}

}  // namespace
}  // namespace quern
