#include "cache/block_pool.h"

#include <fmt/format.h>

#include <limits>

#include "base/check.h"

namespace quern {

BlockPool::BlockPool(uint32_t n_blocks) : blocks_(n_blocks), links_(n_blocks) {
  QUERN_CHECK(n_blocks >= 1);
  QUERN_CHECK(n_blocks <= static_cast<uint32_t>(std::numeric_limits<int32_t>::max()));
}

bool BlockPool::is_valid(BlockId id) const {
  return value(id) >= 0 && static_cast<uint32_t>(value(id)) < n_ever_used_;
}

BlockId BlockPool::allocate() {
  const int32_t index = take_index();
  if (index == kNoIndex) {
    return kNoBlock;
  }
  const BlockId id{index};
  block(id) = {.n_refs = 1, .cached = false};
  return id;
}

int32_t BlockPool::take_index() {
  if (!free_.empty()) {
    return free_.pop_front(links_);
  }
  if (n_ever_used_ < n_blocks()) {
    return static_cast<int32_t>(n_ever_used_++);
  }
  if (cached_.empty()) {
    return kNoIndex;
  }
  const int32_t index = cached_.pop_front(links_);
  if (on_evict_) {
    on_evict_(BlockId{index});
  }
  return index;
}

void BlockPool::share(BlockId id) {
  QUERN_CHECK(is_valid(id));
  Block& shared = block(id);
  QUERN_CHECK(shared.n_refs > 0 || shared.cached);
  if (shared.n_refs == 0) {
    cached_.remove(links_, value(id));
  }
  ++shared.n_refs;
}

void BlockPool::release(BlockId id) {
  QUERN_CHECK(is_valid(id));
  Block& released = block(id);
  QUERN_CHECK(released.n_refs > 0);
  if (--released.n_refs > 0) {
    return;
  }
  if (released.cached) {
    cached_.push_back(links_, value(id));
  } else {
    free_.push_front(links_, value(id));
  }
}

void BlockPool::set_cached(BlockId id, bool cached) {
  QUERN_CHECK(is_valid(id));
  QUERN_CHECK(block(id).n_refs > 0);
  block(id).cached = cached;
}

namespace {

std::unexpected<Error> corrupt(std::string what) {
  return fail({.kind = ErrorKind::device,
               .where = "block pool",
               .what = std::move(what),
               .expected = "every block in exactly one state; this is a bug"});
}

}  // namespace

// Walks a list forward. Each item's prev must be the item before it, so no item can appear twice
// and the walk ends.
Status BlockPool::check_list(const IndexList& list, bool cached) const {
  uint32_t n_seen = 0;
  int32_t before = kNoIndex;
  for (int32_t index = list.front(); index != kNoIndex;) {
    if (!is_valid(BlockId{index})) {
      return corrupt(fmt::format("a list holds block {}, which was never handed out", index));
    }
    const IndexLink& link = links_[static_cast<size_t>(index)];
    const Block& entry = block(BlockId{index});
    if (link.prev != before || entry.n_refs != 0 || entry.cached != cached) {
      return corrupt(fmt::format("block {} has {} references and cached={} in the {} list", index,
                                 entry.n_refs, entry.cached, cached ? "cached" : "free"));
    }
    before = index;
    index = link.next;
    ++n_seen;
  }
  if (n_seen != list.n_items() || before != list.back()) {
    return corrupt(fmt::format("a list of {} blocks holds {}", list.n_items(), n_seen));
  }
  return {};
}

Status BlockPool::check() const {
  QUERN_TRY(check_list(free_, false));
  QUERN_TRY(check_list(cached_, true));
  uint32_t n_referenced = 0;
  for (uint32_t i = 0; i < n_blocks(); ++i) {
    const Block& entry = blocks_[i];
    if (i >= n_ever_used_ && (entry.n_refs != 0 || entry.cached)) {
      return corrupt(fmt::format("untouched block {} has {} references", i, entry.n_refs));
    }
    n_referenced += entry.n_refs > 0 ? 1 : 0;
  }
  if (n_referenced != n_used()) {
    return corrupt(fmt::format("{} blocks are referenced, {} are counted as used: {} lost",
                               n_referenced, n_used(), n_used() - n_referenced));
  }
  return {};
}

}  // namespace quern
