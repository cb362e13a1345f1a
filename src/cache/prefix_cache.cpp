#include "cache/prefix_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace quern {

PrefixCache::PrefixCache(BlockPool& pool, const PrefixCacheConfig& config)
    : pool_(pool), config_(config) {
  QUERN_CHECK(config.n_block_tokens >= 1 && config.n_block_tokens <= kMaxHashedTokens);
  if (!config.enabled) {
    return;
  }
  const size_t n_blocks = pool.n_blocks();
  slots_.assign(std::bit_ceil(2 * n_blocks), kNoBlock);
  slot_mask_ = slots_.size() - 1;
  hashes_.resize(n_blocks);
  tokens_.resize(n_blocks * config.n_block_tokens);
  pool_.set_eviction_listener([this](BlockId id) {
    erase(id);
    ++n_evicted_blocks_;
  });
}

PrefixCache::~PrefixCache() {
  pool_.set_eviction_listener(nullptr);
}

uint32_t PrefixCache::n_reusable_blocks(Tokens tokens) const {
  if (!config_.enabled || tokens.empty()) {
    return 0;
  }
  return static_cast<uint32_t>((tokens.size() - 1) / config_.n_block_tokens);
}

PrefixCache::Tokens PrefixCache::block_tokens(Tokens tokens, uint32_t index) const {
  return tokens.subspan(size_t{index} * config_.n_block_tokens, config_.n_block_tokens);
}

PrefixCache::Tokens PrefixCache::stored_tokens(BlockId id) const {
  return block_tokens(tokens_, static_cast<uint32_t>(value(id)));
}

const BlockHash& PrefixCache::hash_at(Tokens tokens, BlockTable& table, uint32_t index) const {
  for (auto i = static_cast<uint32_t>(table.hashes.size()); i <= index; ++i) {
    const BlockHash parent = i == 0 ? table.root : table.hashes.back();
    table.hashes.push_back(hash_block(parent, block_tokens(tokens, i), config_.seed));
  }
  return table.hashes[index];
}

PrefixMatch PrefixCache::match(Tokens tokens, BlockTable& table) const {
  PrefixMatch found;
  const uint32_t n_reusable = n_reusable_blocks(tokens);
  for (uint32_t i = 0; i < n_reusable; ++i) {
    const BlockId id = find(hash_at(tokens, table, i), block_tokens(tokens, i));
    if (id == kNoBlock) {
      break;
    }
    ++found.n_blocks;
    found.n_idle_blocks += pool_.n_refs(id) == 0 ? 1 : 0;
  }
  return found;
}

uint32_t PrefixCache::attach(Tokens tokens, BlockTable& table, uint32_t first) {
  QUERN_CHECK(first <= table.n_blocks());
  const uint32_t n_reusable = n_reusable_blocks(tokens);
  uint32_t index = first;
  for (; index < n_reusable; ++index) {
    const BlockId id = find(hash_at(tokens, table, index), block_tokens(tokens, index));
    if (id == kNoBlock) {
      break;
    }
    pool_.share(id);
    if (index == table.n_blocks()) {
      table.blocks.push_back(id);
    } else {
      pool_.release(table.blocks[index]);
      table.blocks[index] = id;
    }
  }
  return index - first;
}

void PrefixCache::publish(Tokens tokens, BlockTable& table, Range positions) {
  if (!config_.enabled) {
    return;
  }
  const uint32_t end = positions.end / config_.n_block_tokens;
  for (uint32_t i = positions.begin / config_.n_block_tokens; i < end; ++i) {
    publish_block(tokens, table, i);
  }
}

void PrefixCache::publish_block(Tokens tokens, BlockTable& table, uint32_t index) {
  const BlockId own = table.blocks[index];
  if (pool_.is_cached(own)) {
    return;
  }
  const BlockHash& hash = hash_at(tokens, table, index);
  const Tokens content = block_tokens(tokens, index);
  if (slots_[find_slot(hash)] == kNoBlock) {
    insert(own, hash, content);
    return;
  }
  // Without a twin this is a collision of two keys: the block stays private to its sequence.
  const BlockId twin = find(hash, content);
  if (twin != kNoBlock) {
    pool_.share(twin);
    pool_.release(own);
    table.blocks[index] = twin;
  }
}

void PrefixCache::forget(const BlockTable& table) {
  for (const BlockId id : table.blocks) {
    if (pool_.is_cached(id)) {
      erase(id);
      pool_.set_cached(id, false);
    }
  }
}

// The slot of the entry with this key, or the empty slot where it would go.
size_t PrefixCache::find_slot(const BlockHash& hash) const {
  size_t slot = home_slot(hash);
  while (slots_[slot] != kNoBlock && hashes_[static_cast<size_t>(value(slots_[slot]))] != hash) {
    slot = (slot + 1) & slot_mask_;
  }
  return slot;
}

BlockId PrefixCache::find(const BlockHash& hash, Tokens tokens) const {
  const BlockId id = slots_[find_slot(hash)];
  const bool found = id != kNoBlock && std::ranges::equal(stored_tokens(id), tokens);
  return found ? id : kNoBlock;
}

void PrefixCache::insert(BlockId id, const BlockHash& hash, Tokens tokens) {
  const auto index = static_cast<size_t>(value(id));
  slots_[find_slot(hash)] = id;
  hashes_[index] = hash;
  std::ranges::copy(tokens,
                    tokens_.begin() + static_cast<std::ptrdiff_t>(index * config_.n_block_tokens));
  pool_.set_cached(id, true);
  ++n_entries_;
}

// Linear probing without tombstones: entries behind the hole move up unless that would put them
// before their home slot (Knuth, The Art of Computer Programming 3, 6.4, algorithm R).
void PrefixCache::erase(BlockId id) {
  size_t hole = find_slot(hashes_[static_cast<size_t>(value(id))]);
  QUERN_CHECK(slots_[hole] == id);
  for (size_t slot = (hole + 1) & slot_mask_; slots_[slot] != kNoBlock;
       slot = (slot + 1) & slot_mask_) {
    const size_t home = home_slot(hashes_[static_cast<size_t>(value(slots_[slot]))]);
    if (((slot - home) & slot_mask_) >= ((slot - hole) & slot_mask_)) {
      slots_[hole] = slots_[slot];
      hole = slot;
    }
  }
  slots_[hole] = kNoBlock;
  --n_entries_;
}

Status PrefixCache::check() const {
  uint32_t n_cached = 0;
  for (uint32_t i = 0; i < pool_.n_blocks(); ++i) {
    const BlockId id{static_cast<int32_t>(i)};
    if (!pool_.is_cached(id)) {
      continue;
    }
    ++n_cached;
    if (!config_.enabled || slots_[find_slot(hashes_[i])] != id) {
      return fail({.kind = ErrorKind::device,
                   .where = "prefix cache",
                   .what = fmt::format("cached block {} cannot be found", i),
                   .expected = "an entry for every cached block; this is a bug"});
    }
  }
  if (n_cached != n_entries_) {
    return fail({.kind = ErrorKind::device,
                 .where = "prefix cache",
                 .what = fmt::format("{} entries for {} cached blocks", n_entries_, n_cached),
                 .expected = "as many of one as of the other; this is a bug"});
  }
  return {};
}

}  // namespace quern
