// BlockTable: which KV blocks hold a sequence's positions, in order. Plain data that BlockPool and
// PrefixCache fill; each entry of `blocks` is one reference into the pool. Owned by its sequence.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "cache/block_hash.h"
#include "cache/block_pool.h"

namespace quern {

struct BlockTable {
  // Block i holds positions [i * n_block_tokens, (i + 1) * n_block_tokens).
  std::vector<BlockId> blocks;
  // Hash of full block i, filled as far as it was needed. Outlives `blocks` on preemption, since
  // the tokens stay the same.
  std::vector<BlockHash> hashes;
  BlockHash root;

  uint32_t n_blocks() const { return static_cast<uint32_t>(blocks.size()); }
};

// Gives back every block, the last first: of what becomes cached, a prefix's end is evicted before
// its beginning, without which the end could not be found.
inline void release_blocks(BlockPool& pool, BlockTable& table) {
  while (!table.blocks.empty()) {
    pool.release(table.blocks.back());
    table.blocks.pop_back();
  }
}

}  // namespace quern
