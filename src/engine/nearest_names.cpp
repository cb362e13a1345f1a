#include "engine/nearest_names.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace quern {
namespace {

constexpr size_t kMaxSuggestions = 3;
constexpr size_t kMaxCompared = 256;  // longer names are cut: the distance costs their product

std::string lower(std::string_view text) {
  std::string result(text.substr(0, kMaxCompared));
  std::ranges::transform(result, result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return result;
}

// Levenshtein's distance, one row of the table at a time.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::vector<std::string> nearest_names(std::string_view wanted,
                                       const std::vector<std::string>& names) {
  const std::string target = lower(wanted);
  if (target.empty()) {
    return {};
  }
  std::vector<std::pair<size_t, std::string>> near;
  for (const std::string& name : names) {
    const std::string candidate = lower(name);
    const size_t distance = edit_distance(target, candidate);
    if (candidate.contains(target)) {
      near.emplace_back(0, name);
    } else if (distance <= std::max<size_t>(2, target.size() / 3)) {
      near.emplace_back(distance, name);
    }
  }
  std::ranges::sort(near);
  std::vector<std::string> result;
  for (size_t i = 0; i < std::min(near.size(), kMaxSuggestions); ++i) {
    result.push_back(std::move(near[i].second));
  }
  return result;
}

}  // namespace quern
