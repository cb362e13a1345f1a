// PrefixCache: finds KV blocks whose contents a new sequence would otherwise compute again.
// Not thread-safe: the engine thread owns it. Borrows the pool, which must outlive it, and listens
// to its evictions. Holds no references of its own: a cached block that nobody uses may be evicted.
//
// Only full blocks are found: their contents never change again. A block's key hashes all that its
// contents depend on (block_hash.h). 128 bits with a seed of the process make an accidental
// collision impossible in practice, but XXH3 is no cryptographic hash and clients choose the
// tokens, so an entry also keeps its tokens (64 bytes beside a KV block of many KB) and a hit
// compares them: a collision is then a miss, never another client's state. Since the forward pass
// is batch invariant, two blocks with one key hold the same bytes, and one of them can stand for
// both.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "cache/block_hash.h"
#include "cache/block_pool.h"
#include "cache/block_table.h"

namespace quern {

struct PrefixCacheConfig {
  uint32_t n_block_tokens = 16;
  uint64_t seed = 0;  // of this process, unknown to clients
  bool enabled = true;
};

// What a lookup found: leading blocks, and how many of them nobody uses now (taking these lowers
// BlockPool::n_available()).
struct PrefixMatch {
  uint32_t n_blocks = 0;
  uint32_t n_idle_blocks = 0;
};

class PrefixCache {
 public:
  using Tokens = std::span<const TokenId>;

  PrefixCache(BlockPool& pool, const PrefixCacheConfig& config);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  uint32_t n_block_tokens() const { return config_.n_block_tokens; }
  BlockHash root(std::string_view cache_salt) const { return hash_root(cache_salt, config_.seed); }

  // Full blocks that a lookup may take from the cache: one token at least is left to compute, since
  // its logits are wanted.
  uint32_t n_reusable_blocks(Tokens tokens) const;
  // Hash of the full block `index` of tokens; extends table.hashes as far as needed.
  const BlockHash& hash_at(Tokens tokens, BlockTable& table, uint32_t index) const;

  // The longest cached prefix of tokens. Takes no references.
  PrefixMatch match(Tokens tokens, BlockTable& table) const;
  // Takes references to cached blocks from block `first` on, as far as they go without a gap; own
  // blocks at these places are released. Blocks before `first` must be in the table. Returns how
  // many were attached.
  uint32_t attach(Tokens tokens, BlockTable& table, uint32_t first);
  // Makes the blocks that positions [begin, end) filled findable. One whose contents are already
  // there is replaced by its twin and released.
  struct Range {
    uint32_t begin = 0;
    uint32_t end = 0;
  };
  void publish(Tokens tokens, BlockTable& table, Range positions);
  // Makes the blocks of a table that failed impossible to find.
  void forget(const BlockTable& table);

  // Statistics in tokens: looked up by new sequences, and not computed thanks to the cache.
  void count_query(uint64_t n_tokens) { n_query_tokens_ += n_tokens; }
  void count_hit(uint64_t n_tokens) { n_hit_tokens_ += n_tokens; }
  uint64_t n_query_tokens() const { return n_query_tokens_; }
  uint64_t n_hit_tokens() const { return n_hit_tokens_; }
  uint64_t n_evicted_blocks() const { return n_evicted_blocks_; }
  uint32_t n_entries() const { return n_entries_; }

  // Verifies that the entries are the pool's cached blocks, each found by its key. O(n_blocks).
  Status check() const;

 private:
  Tokens block_tokens(Tokens tokens, uint32_t index) const;
  Tokens stored_tokens(BlockId id) const;
  size_t home_slot(const BlockHash& hash) const { return hash.low & slot_mask_; }
  size_t find_slot(const BlockHash& hash) const;
  BlockId find(const BlockHash& hash, Tokens tokens) const;
  void insert(BlockId id, const BlockHash& hash, Tokens tokens);
  void erase(BlockId id);
  void publish_block(Tokens tokens, BlockTable& table, uint32_t index);

  BlockPool& pool_;
  PrefixCacheConfig config_;
  // Open addressing with linear probing, at most half full. A slot names a block.
  std::vector<BlockId> slots_;
  size_t slot_mask_ = 0;
  std::vector<BlockHash> hashes_;  // [n_blocks], of each entry
  std::vector<TokenId> tokens_;    // [n_blocks, n_block_tokens], of each entry
  uint32_t n_entries_ = 0;
  uint64_t n_query_tokens_ = 0;
  uint64_t n_hit_tokens_ = 0;
  uint64_t n_evicted_blocks_ = 0;
};

}  // namespace quern
