// Merging as Sennrich et al. (2016) and SentencePiece's bpe_model.cc define it, for texts too long
// to search anew after every merge: a sorted set of all pairs that may be merged.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace quern::test {

// `rank(left, right)` gives an optional, the lowest of which comes first, the leftmost of equals;
// `join(left, right)` gives the merged symbol.
template <typename Symbol, typename Rank, typename Join>
std::vector<Symbol> merge_in_order(std::vector<Symbol> symbols, Rank rank, Join join) {
  using Key = typename decltype(rank(symbols[0], symbols[0]))::value_type;
  const size_t n = symbols.size();
  std::vector<size_t> next(n);
  std::vector<size_t> prev(n);
  std::vector<std::optional<Key>> queued(n);
  std::set<std::pair<Key, size_t>> queue;
  const auto renew = [&](size_t at) {
    if (queued[at]) {
      queue.erase({*queued[at], at});
    }
    queued[at] = next[at] < n ? rank(symbols[at], symbols[next[at]]) : std::nullopt;
    if (queued[at]) {
      queue.insert({*queued[at], at});
    }
  };
  for (size_t i = 0; i < n; ++i) {
    prev[i] = i - 1;  // of the first: beyond n
    next[i] = i + 1;
  }
  for (size_t i = 0; i < n; ++i) {
    renew(i);
  }
  while (!queue.empty()) {
    const size_t at = queue.begin()->second;
    const size_t gone = next[at];
    symbols[at] = join(symbols[at], symbols[gone]);
    next[at] = next[gone];
    next[gone] = n;
    renew(gone);
    if (next[at] < n) {
      prev[next[at]] = at;
    }
    renew(at);
    if (prev[at] < n) {
      renew(prev[at]);
    }
  }
  std::vector<Symbol> left;
  for (size_t i = 0; i < n; i = next[i]) {
    left.push_back(symbols[i]);
  }
  return left;
}

}  // namespace quern::test
