// Byte-pair merging: repeats "merge the pair of the lowest rank, the leftmost of equals" until no
// pair has a rank (Sennrich et al., 2016). Two ways with one result, by the length of the word.
// A scratch serves one thread; it borrows the merges, owns its buffers and keeps them between
// words.
//
// Long words are merged rank by rank: all pairs of the lowest rank from left to right, then those
// of the next. What a merge makes may form a pair of a still lower rank with a neighbour (in lists
// made from a ranking of tokens, as tiktoken's); such pairs come first and all hold the symbol just
// made, so it is grown on the spot. Nothing then stands at or below the rank, and because symbols
// only get longer no pair of that rank ever comes back: each rank is done once, in ascending order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "text/bpe_tables.h"
#include "text/rank_queue.h"

namespace quern {

class MergeScratch {
 public:
  // The token that a merge makes must have the bytes of both its parts.
  explicit MergeScratch(const MergeTable& merges) : merges_(merges) {}

  // Merges `symbols` in place and returns how many are left. kNoToken merges with nothing.
  size_t merge(std::span<TokenId> symbols) {
    return symbols.size() <= kShort ? merge_short(symbols) : merge_long(symbols);
  }

  // The ways, exposed so that tests can compare them.
  // Rescans a small array: O(n^2), and the fastest for ordinary words. n <= kShort.
  size_t merge_short(std::span<TokenId> symbols) const;
  // Sweeps while they pay, then the list. O(n log n) at worst.
  size_t merge_long(std::span<TokenId> symbols);
  // A linked list and a queue of ranks.
  size_t merge_listed(std::span<TokenId> symbols);

  static constexpr size_t kShort = 40;

 private:
  static constexpr uint32_t kEnd = kNoRank;       // no such neighbour
  static constexpr uint32_t kDead = kNoRank - 1;  // `next` of a symbol merged into its left one

  struct Node {
    TokenId symbol;
    uint32_t rank;  // of the pair with the next symbol
    uint32_t prev;
    uint32_t next;
  };
  // Ranks of pairs that were looked up; a text repeats the same few.
  struct Known {
    TokenId left = kNoToken;
    TokenId right = kNoToken;
    uint32_t rank = kNoRank;
  };

  void rank_all(std::span<const TokenId> symbols);
  uint32_t rank_of(TokenId left, TokenId right);

  // One pass over the compact arrays `symbols` and ranks_, which shrink in place.
  struct Sweep {
    std::span<TokenId> symbols;
    size_t at = 0;             // the next symbol to read
    size_t n_out = 0;          // symbols written
    uint32_t left = kNoRank;   // of the pair of the symbol just made with the last one written
    uint32_t right = kNoRank;  // and with the next one to read
  };

  // Merges all pairs of `rank`, the lowest. Returns how many symbols are left.
  size_t sweep_rank(std::span<TokenId> symbols, uint32_t rank);
  TokenId grow_swept(Sweep& sweep, TokenId symbol, uint32_t below);

  size_t merge_ranked(std::span<TokenId> symbols);
  void join(uint32_t at);
  uint32_t grow(uint32_t at, uint32_t below);
  void merge_places(uint32_t rank);
  void rank_joined();
  void rank_anew(uint32_t at);

  const MergeTable& merges_;
  std::vector<uint32_t> ranks_;  // ranks_[i] is that of the pair (i, i + 1)
  std::vector<Node> nodes_;
  RankQueue queue_;
  std::vector<uint32_t> places_;
  std::vector<Known> known_;  // a power of two, direct-mapped
};

}  // namespace quern
