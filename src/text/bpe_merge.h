// Byte-pair merging: repeats "merge the pair of the lowest rank, the leftmost of equals" until no
// pair has a rank (Sennrich et al., 2016). Two ways with one result, by the length of the word.
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

  // The two ways, exposed so that tests can compare them.
  // Rescans a small array: O(n^2), and the fastest for ordinary words. n <= kShort.
  static size_t merge_short(const MergeTable& merges, std::span<TokenId> symbols);
  // A linked list and a heap of ranks; where the table allows, all pairs of a rank are merged in
  // one sweep, which makes long runs and texts nearly linear. O(n log n) at worst.
  size_t merge_long(const MergeTable& merges, std::span<TokenId> symbols);

  static constexpr size_t kShort = 40;

 private:
  static constexpr uint32_t kEnd = kNoRank;       // no such neighbour, entry or bucket
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
  // The places where the pair of one sweepable rank stood when they were queued.
  struct Bucket {
    uint32_t rank = 0;
    uint32_t head = kEnd;  // kEnd: empty, and not in the heap
    uint32_t tail = kEnd;
    bool sorted = true;
  };

  void link_all(const MergeTable& merges, std::span<const TokenId> symbols);
  // Merges the pair at `at` into one symbol and unlinks the right one.
  void join(const MergeTable& merges, std::span<TokenId> symbols, uint32_t at);
  // Moves the symbols that are left to the front.
  size_t compact(std::span<TokenId> symbols) const;
  // Ranks the pair at `at` anew, and queues it if it has a rank.
  void requeue(const MergeTable& merges, std::span<const TokenId> symbols, uint32_t at);

  uint32_t rank_of(const MergeTable& merges, TokenId left, TokenId right);
  void push_heap(uint64_t entry);
  uint64_t pop_heap();
  void queue_in_bucket(uint32_t rank, uint32_t at);
  uint32_t bucket_of(uint32_t rank);
  // Moves a bucket's places to places_, in order of the text.
  void take_bucket(Bucket& bucket);
  // Merges every pair of `rank` among places_, then ranks the pairs that this made.
  void sweep(const MergeTable& merges, std::span<TokenId> symbols, uint32_t rank);

  std::vector<Link> links_;
  // Lowest first: rank << 32 | bucket where the rank is sweepable, else rank << 32 | place.
  std::vector<uint64_t> heap_;
  std::vector<Entry> entries_;
  uint32_t free_entry_ = kEnd;  // head of the list of entries to use again
  std::vector<Bucket> buckets_;
  std::vector<uint32_t> bucket_index_;  // open-addressed: rank -> bucket
  uint32_t last_bucket_ = kEnd;         // where the last place went; runs repeat it
  // The pair that was ranked last: runs ask for the same one again and again.
  TokenId last_left_ = kNoToken;
  TokenId last_right_ = kNoToken;
  uint32_t last_rank_ = kNoRank;
  std::vector<uint32_t> places_;
};

}  // namespace quern
