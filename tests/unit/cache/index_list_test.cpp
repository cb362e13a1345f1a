#include "cache/index_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <random>
#include <vector>

namespace quern {
namespace {

std::vector<int32_t> items(const IndexList& list, const std::vector<IndexLink>& links) {
  std::vector<int32_t> found;
  for (int32_t i = list.front(); i != kNoIndex; i = links[static_cast<size_t>(i)].next) {
    found.push_back(i);
  }
  return found;
}

constexpr int32_t kItems = 12;

// The outside truth is std::list.
TEST(IndexList, BehavesAsStdListUnderRandomOperations) {
  std::vector<IndexLink> links(kItems);
  IndexList list;
  std::list<int32_t> truth;
  std::mt19937 rng(7);
  for (int step = 0; step < 20'000; ++step) {
    const auto index = static_cast<int32_t>(rng() % kItems);
    const auto place = std::ranges::find(truth, index);
    if (place != truth.end()) {
      truth.erase(place);
      list.remove(links, index);
    } else if (rng() % 2 == 0) {
      truth.push_back(index);
      list.push_back(links, index);
    } else {
      truth.push_front(index);
      list.push_front(links, index);
    }
    ASSERT_EQ(items(list, links), std::vector<int32_t>(truth.begin(), truth.end()));
    ASSERT_EQ(list.n_items(), truth.size());
    ASSERT_EQ(list.back(), truth.empty() ? kNoIndex : truth.back());
  }
}

}  // namespace
}  // namespace quern
