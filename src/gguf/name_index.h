// Finding entries of a list by name. Sorted rather than hashed, because the names come from
// outside: no choice of them makes a search slow.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace quern {

// Which entry is looked for, and which member holds an entry's name.
template <typename Entry>
struct NameQuery {
  std::string_view name;
  std::string_view Entry::* member;
};

// Indices of `entries` in order of their names, equal names in their own order.
template <typename Entry>
std::vector<uint32_t> index_by_name(const std::vector<Entry>& entries,
                                    std::string_view Entry::* member) {
  std::vector<uint32_t> index(entries.size());
  std::iota(index.begin(), index.end(), 0U);
  std::ranges::sort(index, {}, [&](uint32_t i) { return std::pair(entries[i].*member, i); });
  return index;
}

// The first entry of that name, or null.
template <typename Entry>
const Entry* find_by_name(const std::vector<Entry>& entries, const std::vector<uint32_t>& index,
                          const NameQuery<Entry>& query) {
  const auto it = std::ranges::lower_bound(index, query.name, {},
                                           [&](uint32_t i) { return entries[i].*query.member; });
  return it != index.end() && entries[*it].*query.member == query.name ? &entries[*it] : nullptr;
}

// A name that two entries share, if there is one.
template <typename Entry>
std::optional<std::string_view> repeated_name(const std::vector<Entry>& entries,
                                              const std::vector<uint32_t>& index,
                                              std::string_view Entry::* member) {
  const auto it =
      std::ranges::adjacent_find(index, {}, [&](uint32_t i) { return entries[i].*member; });
  return it == index.end() ? std::nullopt : std::optional(entries[*it].*member);
}

}  // namespace quern
