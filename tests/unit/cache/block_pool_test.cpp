#include "cache/block_pool.h"

#include <gtest/gtest.h>

#include <vector>

namespace quern {
namespace {

std::vector<int32_t> allocate(BlockPool& pool, size_t n) {
  std::vector<int32_t> ids(n);
  for (int32_t& id : ids) {
    id = value(pool.allocate());
  }
  return ids;
}

TEST(BlockPool, CountsEveryBlockOnce) {
  BlockPool pool(4);
  EXPECT_EQ(pool.n_free(), 4U);
  const BlockId a = pool.allocate();
  const BlockId b = pool.allocate();
  pool.set_cached(b, true);
  pool.release(b);
  // 4 = one used (a), one cached (b), two untouched.
  EXPECT_EQ(pool.n_used(), 1U);
  EXPECT_EQ(pool.n_cached(), 1U);
  EXPECT_EQ(pool.n_free(), 2U);
  EXPECT_EQ(pool.n_ever_used(), 2U);
  EXPECT_EQ(pool.n_available(), 3U);
  pool.release(a);
  EXPECT_EQ(pool.n_used(), 0U);
  EXPECT_TRUE(pool.check());
}

TEST(BlockPool, HandsOutFreedBlocksThenUntouchedOnesThenTheLeastRecentlyCached) {
  BlockPool pool(5);
  EXPECT_EQ(allocate(pool, 4), (std::vector<int32_t>{0, 1, 2, 3}));
  for (const int32_t cached : {2, 0}) {
    pool.set_cached(BlockId{cached}, true);
    pool.release(BlockId{cached});
  }
  pool.release(BlockId{1});
  pool.release(BlockId{3});
  // Freed: 3 (last), then 1. Untouched: 4. Cached: 2 was released before 0.
  EXPECT_EQ(allocate(pool, 6), (std::vector<int32_t>{3, 1, 4, 2, 0, -1}));
  EXPECT_TRUE(pool.check());
}

TEST(BlockPool, LeavesUntouchedBlocksAloneWhileAFreedOneIsThere) {
  BlockPool pool(100);
  for (int i = 0; i < 1000; ++i) {
    const BlockId a = pool.allocate();
    const BlockId b = pool.allocate();
    pool.release(a);
    pool.release(b);
  }
  EXPECT_EQ(pool.n_ever_used(), 2U);
}

TEST(BlockPool, ASharedBlockLivesUntilItsLastReference) {
  BlockPool pool(1);
  const BlockId a = pool.allocate();
  pool.share(a);
  pool.release(a);
  EXPECT_EQ(pool.n_refs(a), 1U);
  EXPECT_EQ(pool.allocate(), kNoBlock);
  pool.release(a);
  EXPECT_EQ(pool.allocate(), a);
}

TEST(BlockPool, SharingACachedBlockRevivesIt) {
  BlockPool pool(2);
  const BlockId a = pool.allocate();
  pool.set_cached(a, true);
  pool.release(a);
  pool.share(a);
  EXPECT_EQ(pool.n_cached(), 0U);
  EXPECT_EQ(pool.allocate(), BlockId{1});
  EXPECT_EQ(pool.allocate(), kNoBlock);
  EXPECT_TRUE(pool.check());
}

TEST(BlockPool, TellsTheListenerBeforeItReusesACachedBlock) {
  BlockPool pool(1);
  std::vector<BlockId> evicted;
  pool.set_eviction_listener([&](BlockId id) {
    EXPECT_TRUE(pool.is_cached(id));
    evicted.push_back(id);
  });
  const BlockId a = pool.allocate();
  pool.set_cached(a, true);
  pool.release(a);
  EXPECT_TRUE(evicted.empty());
  EXPECT_EQ(pool.allocate(), a);
  EXPECT_EQ(evicted, std::vector<BlockId>{a});
  EXPECT_FALSE(pool.is_cached(a));
}

using BlockPoolDeathTest = ::testing::Test;

TEST(BlockPoolDeathTest, StopsOnADoubleRelease) {
  BlockPool pool(2);
  const BlockId a = pool.allocate();
  pool.release(a);
  EXPECT_DEATH(pool.release(a), "n_refs > 0");
  EXPECT_DEATH(pool.share(a), "n_refs > 0 .. shared.cached");
  EXPECT_DEATH(pool.release(BlockId{1}), "is_valid");
}

}  // namespace
}  // namespace quern
