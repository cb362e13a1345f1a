// Byte-pair merging: repeats "merge the pair of the lowest rank, the leftmost of equals" until no
// pair has a rank (Sennrich et al., 2016). Three ways with one result, by the length of the word.
// A scratch serves one thread; it owns its buffers and keeps them between words.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "text/bpe_tables.h"

namespace quern {

class MergeScratch {
 public:
  // Merges `symbols` in place and returns how many are left. kNoToken merges with nothing.
  size_t merge(const MergeTable& merges, std::span<TokenId> symbols);

  // The ways, by growing start-up cost. Exposed so that tests can compare them.
  // Rescans a small array; O(n^2), fastest for ordinary words. n <= kShort.
  static size_t merge_short(const MergeTable& merges, std::span<TokenId> symbols);
  // A binary heap over a linked list; O(n log n) for any table.
  size_t merge_heap(const MergeTable& merges, std::span<TokenId> symbols);
  // One sweep per rank; O(n + d log d) for d distinct ranks in most texts, O(n log n) at worst.
  // Needs merges.is_monotone().
  size_t merge_sweeps(const MergeTable& merges, std::span<TokenId> symbols);

  static constexpr size_t kShort = 40;
  static constexpr size_t kSweep = 512;  // from here the sweeps' start-up pays

 private:
  static constexpr uint32_t kEnd = kNoRank;      // no such neighbour, entry or bucket
  static constexpr uint32_t kDead = kNoRank - 1;  // `next` of a symbol merged into its left one

  // A link of the list of symbols; `rank` is that of the pair with the next symbol.
  struct Link {
    uint32_t prev;
    uint32_t next;
    uint32_t rank;
  };
  struct Entry {
    uint32_t at;
    uint32_t next;
  };
  // The places where the pair of one rank stood when they were queued, in order of queueing.
  struct Bucket {
    uint32_t rank;
    uint32_t head;
    uint32_t tail;
    bool sorted;
  };

  void link_all(const MergeTable& merges, std::span<const TokenId> symbols);
  // Merges the pair at `at` into one symbol and unlinks the right one.
  void join(const MergeTable& merges, std::span<TokenId> symbols, uint32_t at);
  // Moves the symbols that are left to the front.
  size_t compact(std::span<TokenId> symbols) const;
  // Sets the rank of the pair at `at` and returns whether it has one.
  bool refresh(const MergeTable& merges, std::span<const TokenId> symbols, uint32_t at);

  void push_heap(uint64_t entry);
  uint64_t pop_heap();
  // Queues the pair at `at` under its rank.
  void queue(uint32_t at);
  uint32_t bucket_of(uint32_t rank);
  // Moves a bucket's places to places_, in order of the text.
  void take_bucket(uint32_t bucket);
  // Merges every pair of `rank` among places_, then ranks the pairs that this made.
  void sweep(const MergeTable& merges, std::span<TokenId> symbols, uint32_t rank);

  std::vector<Link> links_;
  std::vector<uint64_t> heap_;  // rank << 32 | place, or rank << 32 | bucket; lowest first
  std::vector<Entry> entries_;
  uint32_t free_entry_ = 0;  // head of the list of entries to use again
  std::vector<Bucket> buckets_;
  std::vector<uint32_t> bucket_index_;  // open-addressed: rank -> bucket
  uint32_t last_bucket_ = 0;            // where the last queue() went; runs repeat it
  std::vector<uint32_t> places_;
};

}  // namespace quern
