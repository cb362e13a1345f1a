// RankQueue: places in a text by the rank of the pair that stands there, lowest rank first, for
// ranks that never go back: after a rank is taken only higher ones are added. A radix heap (Ahuja,
// Mehlhorn, Orlin and Tarjan, 1990): entries lie in sequential memory and each moves at most once
// per bit of its rank. Not thread-safe; owns its memory and keeps it between texts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace quern {

class RankQueue {
 public:
  void clear();
  // `rank` is higher than the last one taken.
  void add(uint32_t rank, uint32_t place) {
    const int bin = bin_of(rank);
    bins_[static_cast<size_t>(bin)].push_back({rank, place});
    filled_ |= uint64_t{1} << bin;
  }
  // Moves all places of the lowest rank to `places`, in ascending order. False when there is none.
  bool take(uint32_t& rank, std::vector<uint32_t>& places);

 private:
  struct Entry {
    uint32_t rank;
    uint32_t place;
  };

  // The number of low bits from the highest one in which `rank` differs from the last one taken.
  int bin_of(uint32_t rank) const;

  uint32_t last_ = 0;
  uint64_t filled_ = 0;  // a bit for each bin that is not empty
  std::array<std::vector<Entry>, 33> bins_;
  std::vector<Entry> moved_;
};

}  // namespace quern
