// A stable sort that stays within bounds whatever the comparison says: with NaN, or after an error,
// it is no order at all, which the standard's sorts do not allow.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace quern::jinja {

template <typename T, typename Less>
void merge_sort(std::vector<T>& items, Less less) {
  std::vector<T> merged;
  merged.reserve(items.size());
  for (size_t width = 1; width < items.size(); width *= 2) {
    merged.clear();
    for (size_t begin = 0; begin < items.size(); begin += 2 * width) {
      const size_t middle = std::min(begin + width, items.size());
      const size_t end = std::min(begin + 2 * width, items.size());
      size_t left = begin;
      size_t right = middle;
      while (left < middle || right < end) {
        const bool takes_right = left == middle || (right < end && less(items[right], items[left]));
        merged.push_back(std::move(items[takes_right ? right++ : left++]));
      }
    }
    items.swap(merged);
  }
}

}  // namespace quern::jinja
