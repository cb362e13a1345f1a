#include "text/bpe_merge.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>

#include "base/check.h"

namespace quern {

size_t MergeScratch::merge(const MergeTable& merges, std::span<TokenId> symbols) {
  return symbols.size() <= kShort ? merge_short(merges, symbols) : merge_long(merges, symbols);
}

namespace {

// Where the lowest rank first stands.
size_t lowest(std::span<const uint32_t> ranks) {
  uint32_t best = kNoRank;
  size_t at = 0;
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (ranks[i] < best) {
      best = ranks[i];
      at = i;
    }
  }
  return at;
}

}  // namespace

size_t MergeScratch::merge_short(const MergeTable& merges, std::span<TokenId> symbols) {
  size_t n = symbols.size();
  QUERN_CHECK(n <= kShort);
  if (n < 2) {
    return n;
  }
  std::array<uint32_t, kShort> ranks;  // of the pair (i, i + 1)
  for (size_t i = 0; i + 1 < n; ++i) {
    ranks[i] = merges.rank(symbols[i], symbols[i + 1]);
  }
  while (n > 1) {
    const size_t at = lowest(std::span(ranks).first(n - 1));
    const uint32_t best = ranks[at];
    if (best == kNoRank) {
      break;
    }
    symbols[at] = merges.merged(best);
    --n;
    for (size_t i = at + 1; i < n; ++i) {
      symbols[i] = symbols[i + 1];
      ranks[i - 1] = ranks[i];
    }
    if (at + 1 < n) {
      ranks[at] = merges.rank(symbols[at], symbols[at + 1]);
    }
    if (at > 0) {
      ranks[at - 1] = merges.rank(symbols[at - 1], symbols[at]);
    }
  }
  return n;
}

void MergeScratch::link_all(const MergeTable& merges, std::span<const TokenId> symbols) {
  const auto n = static_cast<uint32_t>(symbols.size());
  links_.resize(n);
  for (uint32_t i = 0; i < n; ++i) {
    links_[i].prev = i == 0 ? kEnd : i - 1;
    links_[i].next = i + 1 == n ? kEnd : i + 1;
    requeue(merges, symbols, i);
  }
}

uint32_t MergeScratch::rank_of(const MergeTable& merges, TokenId left, TokenId right) {
  if (left != last_left_ || right != last_right_) {
    last_left_ = left;
    last_right_ = right;
    last_rank_ = merges.rank(left, right);
  }
  return last_rank_;
}

void MergeScratch::requeue(const MergeTable& merges, std::span<const TokenId> symbols,
                           uint32_t at) {
  Link& link = links_[at];
  link.rank = link.next == kEnd ? kNoRank : rank_of(merges, symbols[at], symbols[link.next]);
  if (link.rank == kNoRank) {
    return;
  }
  if (merges.sweepable(link.rank)) {
    queue_in_bucket(link.rank, at);
  } else {
    push_heap((uint64_t{link.rank} << 32) | at);
  }
}

void MergeScratch::join(const MergeTable& merges, std::span<TokenId> symbols, uint32_t at) {
  Link& left = links_[at];
  Link& right = links_[left.next];
  symbols[at] = merges.merged(left.rank);
  left.rank = kNoRank;
  left.next = right.next;
  right.next = kDead;
  if (left.next != kEnd) {
    links_[left.next].prev = at;
  }
}

size_t MergeScratch::compact(std::span<TokenId> symbols) const {
  size_t n = 0;
  for (uint32_t at = 0; at != kEnd; at = links_[at].next) {
    symbols[n++] = symbols[at];
  }
  return n;
}

void MergeScratch::push_heap(uint64_t entry) {
  heap_.push_back(entry);
  std::ranges::push_heap(heap_, std::greater<>());
}

uint64_t MergeScratch::pop_heap() {
  std::ranges::pop_heap(heap_, std::greater<>());
  const uint64_t entry = heap_.back();
  heap_.pop_back();
  return entry;
}

uint32_t MergeScratch::bucket_of(uint32_t rank) {
  if (last_bucket_ != kEnd && buckets_[last_bucket_].rank == rank) {
    return last_bucket_;
  }
  const size_t mask = bucket_index_.size() - 1;
  for (size_t at = (size_t{rank} * 0x9E3779B1U) & mask;; at = (at + 1) & mask) {
    uint32_t& bucket = bucket_index_[at];
    if (bucket == kEnd) {
      bucket = static_cast<uint32_t>(buckets_.size());
      buckets_.push_back({.rank = rank});
      return bucket;
    }
    if (buckets_[bucket].rank == rank) {
      return bucket;
    }
  }
}

void MergeScratch::queue_in_bucket(uint32_t rank, uint32_t at) {
  last_bucket_ = bucket_of(rank);
  Bucket& bucket = buckets_[last_bucket_];
  uint32_t entry = free_entry_;
  if (entry == kEnd) {
    entry = static_cast<uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    free_entry_ = entries_[entry].next;
  }
  entries_[entry] = {.at = at, .next = kEnd};
  if (bucket.head == kEnd) {
    bucket.head = entry;
    bucket.sorted = true;
    push_heap((uint64_t{rank} << 32) | last_bucket_);
  } else {
    bucket.sorted = bucket.sorted && entries_[bucket.tail].at < at;
    entries_[bucket.tail].next = entry;
  }
  bucket.tail = entry;
}

void MergeScratch::take_bucket(Bucket& bucket) {
  places_.clear();
  for (uint32_t entry = bucket.head; entry != kEnd; entry = entries_[entry].next) {
    places_.push_back(entries_[entry].at);
  }
  entries_[bucket.tail].next = free_entry_;
  free_entry_ = bucket.head;
  bucket.head = kEnd;
  if (!bucket.sorted) {
    std::ranges::sort(places_);
  }
}

void MergeScratch::sweep(const MergeTable& merges, std::span<TokenId> symbols, uint32_t rank) {
  size_t n_joined = 0;
  for (const uint32_t at : places_) {
    // A rank names one pair, and symbols only grow: a pair that is gone never comes back.
    if (links_[at].next != kDead && links_[at].rank == rank) {
      join(merges, symbols, at);
      places_[n_joined++] = at;
    }
  }
  uint32_t ranked = kEnd;  // the place whose pair was ranked last
  for (size_t i = 0; i < n_joined; ++i) {
    const uint32_t at = places_[i];
    const uint32_t prev = links_[at].prev;
    if (prev != kEnd && prev != ranked) {
      requeue(merges, symbols, prev);
    }
    requeue(merges, symbols, at);
    ranked = at;
  }
}

size_t MergeScratch::merge_long(const MergeTable& merges, std::span<TokenId> symbols) {
  if (symbols.empty()) {
    return 0;
  }
  heap_.clear();
  entries_.clear();
  entries_.reserve(symbols.size());
  buckets_.clear();
  free_entry_ = last_bucket_ = kEnd;
  last_left_ = last_right_ = kNoToken;  // two of which have no rank, whatever the table
  last_rank_ = kNoRank;
  // Each merge makes at most two pairs, so no more than 3n pairs are ever queued.
  const size_t most_ranks = std::min(3 * symbols.size(), merges.n_merges());
  bucket_index_.assign(std::bit_ceil(2 * most_ranks + 1), kEnd);
  link_all(merges, symbols);
  while (!heap_.empty()) {
    const uint64_t best = pop_heap();
    const auto rank = static_cast<uint32_t>(best >> 32);
    if (merges.sweepable(rank)) {
      take_bucket(buckets_[static_cast<uint32_t>(best)]);
    } else {
      places_.assign(1, static_cast<uint32_t>(best));
    }
    sweep(merges, symbols, rank);
  }
  return compact(symbols);
}

}  // namespace quern
