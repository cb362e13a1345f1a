#include "text/bpe_merge.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/check.h"

namespace quern {

namespace {

// A sweep reads the whole array, so it pays where it removes a good part of it. At the least that
// is asked for, all sweeps together read 16 times the array.
constexpr size_t kSweepShare = 16;
constexpr size_t kMaxKnown = 1U << 14;  // 192 KiB: the common pairs, within the L2 cache
constexpr size_t kSymbolsPerKnown = 4;  // a short text is not worth a large table

constexpr size_t kAhead = 12;  // how early the list's nodes are asked for

// Where the lowest rank first stands.
size_t lowest(std::span<const uint32_t> ranks) {
  uint32_t best = kNoRank;
  size_t at = 0;
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (ranks[i] < best) {
      best = ranks[i];
      at = i;
    }
  }
  return at;
}

}  // namespace

size_t MergeScratch::merge_short(std::span<TokenId> symbols) const {
  size_t n = symbols.size();
  QUERN_CHECK(n <= kShort);
  if (n < 2) {
    return n;
  }
  std::array<uint32_t, kShort> ranks;  // of the pair (i, i + 1)
  for (size_t i = 0; i + 1 < n; ++i) {
    ranks[i] = merges_.rank(symbols[i], symbols[i + 1]);
  }
  while (n > 1) {
    const size_t at = lowest(std::span(ranks).first(n - 1));
    const uint32_t best = ranks[at];
    if (best == kNoRank) {
      break;
    }
    symbols[at] = merges_.merged(best);
    --n;
    for (size_t i = at + 1; i < n; ++i) {
      symbols[i] = symbols[i + 1];
      ranks[i - 1] = ranks[i];
    }
    if (at + 1 < n) {
      ranks[at] = merges_.rank(symbols[at], symbols[at + 1]);
    }
    if (at > 0) {
      ranks[at - 1] = merges_.rank(symbols[at - 1], symbols[at]);
    }
  }
  return n;
}

uint32_t MergeScratch::rank_of(TokenId left, TokenId right) {
  const uint32_t mixed =
      static_cast<uint32_t>(left) * 0x9E3779B1U + static_cast<uint32_t>(right) * 0x85EBCA77U;
  Known& known = known_[(mixed >> 16) & (known_.size() - 1)];
  if (known.left != left || known.right != right) {
    known = {left, right, merges_.rank(left, right)};
  }
  return known.rank;
}

void MergeScratch::rank_all(std::span<const TokenId> symbols) {
  const size_t n_known =
      std::clamp<size_t>(std::bit_ceil(symbols.size() / kSymbolsPerKnown), 16, kMaxKnown);
  if (known_.size() < n_known) {
    known_.assign(n_known, {});
  }
  ranks_.assign(symbols.size(), kNoRank);
  for (size_t i = 0; i + 1 < symbols.size(); ++i) {
    ranks_[i] = rank_of(symbols[i], symbols[i + 1]);
  }
}

// Ranks the pairs that `symbol` forms where the sweep stands, and merges it with its neighbours
// while such a pair has a rank below `below`. Returns what it grew to.
TokenId MergeScratch::grow_swept(Sweep& sweep, TokenId symbol, uint32_t below) {
  const std::span<TokenId> symbols = sweep.symbols;
  for (;;) {
    sweep.left = sweep.n_out > 0 ? rank_of(symbols[sweep.n_out - 1], symbol) : kNoRank;
    sweep.right = sweep.at < symbols.size() ? rank_of(symbol, symbols[sweep.at]) : kNoRank;
    if (std::min(sweep.left, sweep.right) >= below) {
      return symbol;
    }
    if (sweep.left <= sweep.right) {
      symbol = merges_.merged(sweep.left);
      --sweep.n_out;
    } else {
      symbol = merges_.merged(sweep.right);
      ++sweep.at;
    }
  }
}

size_t MergeScratch::sweep_rank(std::span<TokenId> symbols, uint32_t rank) {
  Sweep sweep{.symbols = symbols};
  while (sweep.at < symbols.size()) {
    if (ranks_[sweep.at] != rank) {
      symbols[sweep.n_out] = symbols[sweep.at];
      ranks_[sweep.n_out++] = ranks_[sweep.at++];
      continue;
    }
    sweep.at += 2;
    const TokenId symbol = grow_swept(sweep, merges_.merged(rank), rank);
    if (sweep.n_out > 0) {
      ranks_[sweep.n_out - 1] = sweep.left;
    }
    symbols[sweep.n_out] = symbol;
    ranks_[sweep.n_out++] = sweep.right;
  }
  return sweep.n_out;
}

size_t MergeScratch::merge_long(std::span<TokenId> symbols) {
  size_t n = symbols.size();
  if (n < 2) {
    return n;
  }
  rank_all(symbols);
  for (;;) {
    const auto ranks = std::span(ranks_).first(n);
    const uint32_t rank = std::ranges::min(ranks);
    if (rank == kNoRank) {
      return n;
    }
    if (static_cast<size_t>(std::ranges::count(ranks, rank)) * kSweepShare < n) {
      return merge_ranked(symbols.first(n));
    }
    n = sweep_rank(symbols.first(n), rank);
  }
}

size_t MergeScratch::merge_listed(std::span<TokenId> symbols) {
  rank_all(symbols);
  return merge_ranked(symbols);
}

// The list, from symbols whose pairs are ranked in ranks_.
size_t MergeScratch::merge_ranked(std::span<TokenId> symbols) {
  const auto n = static_cast<uint32_t>(symbols.size());
  nodes_.resize(n);
  queue_.clear();
  for (uint32_t i = 0; i < n; ++i) {
    nodes_[i] = {.symbol = symbols[i],
                 .rank = ranks_[i],
                 .prev = i == 0 ? kEnd : i - 1,
                 .next = i + 1 == n ? kEnd : i + 1};
    if (ranks_[i] != kNoRank) {
      queue_.add(ranks_[i], i);
    }
  }
  for (uint32_t rank = 0; queue_.take(rank, places_);) {
    merge_places(rank);
  }
  size_t n_left = 0;
  for (uint32_t at = n == 0 ? kEnd : 0; at != kEnd; at = nodes_[at].next) {
    symbols[n_left++] = nodes_[at].symbol;
  }
  return n_left;
}

// Merges the pair at `at`, whose rank is settled, and unlinks the right symbol.
void MergeScratch::join(uint32_t at) {
  Node& left = nodes_[at];
  Node& right = nodes_[left.next];
  left.symbol = merges_.merged(left.rank);
  left.rank = kNoRank;
  left.next = right.next;
  right.next = kDead;
  if (left.next != kEnd) {
    nodes_[left.next].prev = at;
  }
}

// Merges the symbol at `at` with its neighbours while such a pair has a rank below `below`. Returns
// where the symbol then is.
uint32_t MergeScratch::grow(uint32_t at, uint32_t below) {
  for (;;) {
    const Node& node = nodes_[at];
    const uint32_t left =
        node.prev == kEnd ? kNoRank : rank_of(nodes_[node.prev].symbol, node.symbol);
    const uint32_t right =
        node.next == kEnd ? kNoRank : rank_of(node.symbol, nodes_[node.next].symbol);
    if (std::min(left, right) >= below) {
      return at;
    }
    if (left <= right) {
      at = node.prev;
    }
    nodes_[at].rank = std::min(left, right);
    join(at);
  }
}

// Merges every pair of `rank` among places_.
void MergeScratch::merge_places(uint32_t rank) {
  const bool may_grow = !merges_.sweepable(rank);
  size_t n_joined = 0;
  for (size_t i = 0; i < places_.size(); ++i) {
    if (i + kAhead < places_.size()) {
      __builtin_prefetch(&nodes_[places_[i + kAhead]], 1);
    }
    const uint32_t at = places_[i];
    // The pair that was queued here may be gone.
    if (nodes_[at].next != kDead && nodes_[at].rank == rank) {
      join(at);
      places_[n_joined++] = may_grow ? grow(at, rank) : at;
    }
  }
  places_.resize(n_joined);
  rank_joined();
}

// Ranks the pairs of the symbols just made, which stand at places_.
void MergeScratch::rank_joined() {
  uint32_t ranked = kEnd;  // the place whose pair was ranked last
  for (const uint32_t at : places_) {
    if (at == ranked || nodes_[at].next == kDead) {
      continue;  // it grew, or a later one grew over it
    }
    const uint32_t prev = nodes_[at].prev;
    if (prev != kEnd && prev != ranked) {
      rank_anew(prev);
    }
    rank_anew(at);
    ranked = at;
  }
}

void MergeScratch::rank_anew(uint32_t at) {
  Node& node = nodes_[at];
  node.rank = node.next == kEnd ? kNoRank : rank_of(node.symbol, nodes_[node.next].symbol);
  if (node.rank != kNoRank) {
    queue_.add(node.rank, at);
  }
}

}  // namespace quern
