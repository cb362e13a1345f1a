#include "text/bpe_merge.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>

#include "base/check.h"

namespace quern {

size_t MergeScratch::merge(const MergeTable& merges, std::span<TokenId> symbols) {
  if (symbols.size() <= kShort) {
    return merge_short(merges, symbols);
  }
  if (symbols.size() < kSweep || !merges.is_monotone()) {
    return merge_heap(merges, symbols);
  }
  return merge_sweeps(merges, symbols);
}

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
    uint32_t best = kNoRank;
    size_t at = 0;
    for (size_t i = 0; i + 1 < n; ++i) {
      if (ranks[i] < best) {
        best = ranks[i];
        at = i;
      }
    }
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
    refresh(merges, symbols, i);
  }
}

bool MergeScratch::refresh(const MergeTable& merges, std::span<const TokenId> symbols,
                           uint32_t at) {
  Link& link = links_[at];
  link.rank = link.next == kEnd ? kNoRank : merges.rank(symbols[at], symbols[link.next]);
  return link.rank != kNoRank;
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

size_t MergeScratch::merge_heap(const MergeTable& merges, std::span<TokenId> symbols) {
  if (symbols.size() < 2) {
    return symbols.size();
  }
  const auto entry = [&](uint32_t at) { return (uint64_t{links_[at].rank} << 32) | at; };
  link_all(merges, symbols);
  heap_.clear();
  for (uint32_t at = 0; at < links_.size(); ++at) {
    if (links_[at].rank != kNoRank) {
      heap_.push_back(entry(at));
    }
  }
  std::ranges::make_heap(heap_, std::greater<>());
  while (!heap_.empty()) {
    const uint64_t best = pop_heap();
    const auto at = static_cast<uint32_t>(best);
    // A rank names one pair, and symbols only grow: a pair that is gone never comes back.
    if (links_[at].next == kDead || links_[at].rank != best >> 32) {
      continue;
    }
    join(merges, symbols, at);
    if (refresh(merges, symbols, at)) {
      push_heap(entry(at));
    }
    const uint32_t prev = links_[at].prev;
    if (prev != kEnd && refresh(merges, symbols, prev)) {
      push_heap(entry(prev));
    }
  }
  return compact(symbols);
}

uint32_t MergeScratch::bucket_of(uint32_t rank) {
  if (last_bucket_ != kEnd && buckets_[last_bucket_].rank == rank) {
    return last_bucket_;
  }
  const size_t mask = bucket_index_.size() - 1;
  for (size_t at = (rank * 0x9E3779B1U) & mask;; at = (at + 1) & mask) {
    uint32_t& bucket = bucket_index_[at];
    if (bucket == kEnd) {
      bucket = static_cast<uint32_t>(buckets_.size());
      buckets_.push_back({.rank = rank, .head = kEnd, .tail = kEnd, .sorted = true});
      push_heap((uint64_t{rank} << 32) | bucket);
      return bucket;
    }
    if (buckets_[bucket].rank == rank) {
      return bucket;
    }
  }
}

void MergeScratch::queue(uint32_t at) {
  last_bucket_ = bucket_of(links_[at].rank);
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
  } else {
    bucket.sorted = bucket.sorted && entries_[bucket.tail].at < at;
    entries_[bucket.tail].next = entry;
  }
  bucket.tail = entry;
}

void MergeScratch::take_bucket(uint32_t index) {
  const Bucket& bucket = buckets_[index];
  places_.clear();
  for (uint32_t entry = bucket.head; entry != kEnd; entry = entries_[entry].next) {
    places_.push_back(entries_[entry].at);
  }
  entries_[bucket.tail].next = free_entry_;
  free_entry_ = bucket.head;
  if (!bucket.sorted) {
    std::ranges::sort(places_);
  }
}

void MergeScratch::sweep(const MergeTable& merges, std::span<TokenId> symbols, uint32_t rank) {
  size_t n_joined = 0;
  for (const uint32_t at : places_) {
    if (links_[at].next != kDead && links_[at].rank == rank) {
      join(merges, symbols, at);
      places_[n_joined++] = at;
    }
  }
  uint32_t ranked = kEnd;  // the place whose pair was ranked last
  for (size_t i = 0; i < n_joined; ++i) {
    const uint32_t at = places_[i];
    const uint32_t prev = links_[at].prev;
    if (prev != kEnd && prev != ranked && refresh(merges, symbols, prev)) {
      queue(prev);
    }
    if (refresh(merges, symbols, at)) {
      queue(at);
    }
    ranked = at;
  }
}

size_t MergeScratch::merge_sweeps(const MergeTable& merges, std::span<TokenId> symbols) {
  QUERN_CHECK(merges.is_monotone());
  if (symbols.size() < 2) {
    return symbols.size();
  }
  link_all(merges, symbols);
  heap_.clear();
  entries_.clear();
  buckets_.clear();
  free_entry_ = last_bucket_ = kEnd;
  // Each merge makes at most two pairs, so no more than 3n pairs are ever queued.
  const size_t most_ranks = std::min(3 * symbols.size(), merges.n_merges());
  bucket_index_.assign(std::bit_ceil(2 * most_ranks + 1), kEnd);
  for (uint32_t at = 0; at < links_.size(); ++at) {
    if (links_[at].rank != kNoRank) {
      queue(at);
    }
  }
  while (!heap_.empty()) {
    const uint64_t best = pop_heap();
    take_bucket(static_cast<uint32_t>(best));
    sweep(merges, symbols, static_cast<uint32_t>(best >> 32));
  }
  return compact(symbols);
}

}  // namespace quern
