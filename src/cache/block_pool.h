// BlockPool: hands out a fixed number of KV blocks and counts who refers to each.
// Not thread-safe: the engine thread owns it. Owns the bookkeeping only; the KV memory itself is
// the backend's. Never allocates after construction.
//
// A block is always in exactly one state:
//   used       at least one sequence refers to it
//   cached     nobody refers to it, but its contents can still be found by the prefix cache
//   free       nobody refers to it and its contents are worthless
//   untouched  never handed out; its memory has not been written, so it costs no resident bytes
//
// allocate() prefers, in this order:
//   1. the block freed last: its memory is resident and likely still in a CPU cache;
//   2. the next untouched block: memory grows only when nothing resident is idle, and growing to
//   the
//      size that was configured is cheaper than recomputing a cached prefix;
//   3. the cached block released longest ago, whose contents are forgotten (the eviction listener
//   is
//      told first).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "cache/index_list.h"

namespace quern {

class BlockPool {
 public:
  using EvictionListener = std::function<void(BlockId)>;

  // 1 <= n_blocks <= INT32_MAX.
  explicit BlockPool(uint32_t n_blocks);
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // A block with one reference, or kNoBlock when every block is in use.
  BlockId allocate();
  // One more reference to a used or cached block.
  void share(BlockId id);
  // One reference less. The last one turns the block into a cached or a free one.
  void release(BlockId id);

  // Marks whether the prefix cache can find the contents of a used block.
  void set_cached(BlockId id, bool cached);
  // Called with a block whose contents are about to be lost, before allocate() returns it.
  void set_eviction_listener(EvictionListener listener) { on_evict_ = std::move(listener); }

  uint32_t n_refs(BlockId id) const { return block(id).n_refs; }
  bool is_cached(BlockId id) const { return block(id).cached; }

  // n_blocks = n_used + n_free + n_cached. n_free counts the untouched ones too.
  uint32_t n_blocks() const { return static_cast<uint32_t>(blocks_.size()); }
  uint32_t n_used() const { return n_ever_used_ - free_.n_items() - cached_.n_items(); }
  uint32_t n_free() const { return n_blocks() - n_ever_used_ + free_.n_items(); }
  uint32_t n_cached() const { return cached_.n_items(); }
  // Blocks handed out at least once: an upper bound on resident KV memory.
  uint32_t n_ever_used() const { return n_ever_used_; }
  // What allocate() can still hand out: free, untouched and cached blocks.
  uint32_t n_available() const { return n_free() + n_cached(); }

  // Verifies that every block is in exactly one state and that both lists are whole. O(n_blocks).
  Status check() const;

 private:
  struct Block {
    uint32_t n_refs = 0;
    bool cached = false;
  };

  Block& block(BlockId id) { return blocks_[static_cast<size_t>(value(id))]; }
  const Block& block(BlockId id) const { return blocks_[static_cast<size_t>(value(id))]; }
  bool is_valid(BlockId id) const;
  int32_t take_index();
  Status check_list(const IndexList& list, bool cached) const;

  std::vector<Block> blocks_;
  std::vector<IndexLink> links_;
  IndexList free_;    // most recently freed first
  IndexList cached_;  // least recently released first
  // Blocks below this index have been handed out, the others are untouched.
  uint32_t n_ever_used_ = 0;
  EvictionListener on_evict_;
};

}  // namespace quern
