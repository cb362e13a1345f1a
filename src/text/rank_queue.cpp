#include "text/rank_queue.h"

#include <algorithm>
#include <bit>

namespace quern {

int RankQueue::bin_of(uint32_t rank) const {
  return 32 - std::countl_zero(rank ^ last_);
}

void RankQueue::clear() {
  for (std::vector<Entry>& bin : bins_) {
    bin.clear();
  }
  last_ = 0;
  filled_ = 0;
}

bool RankQueue::take(uint32_t& rank, std::vector<uint32_t>& places) {
  if (filled_ == 0) {
    return false;
  }
  std::vector<Entry>& bin = bins_[static_cast<size_t>(std::countr_zero(filled_))];
  filled_ &= filled_ - 1;
  last_ = std::ranges::min(bin, {}, &Entry::rank).rank;
  places.clear();
  moved_.swap(bin);
  for (const Entry& entry : moved_) {
    if (entry.rank == last_) {
      places.push_back(entry.place);
    } else {
      add(entry.rank, entry.place);
    }
  }
  moved_.clear();
  if (!std::ranges::is_sorted(places)) {
    std::ranges::sort(places);
  }
  rank = last_;
  return true;
}

}  // namespace quern
