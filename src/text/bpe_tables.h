// The two indexes of a BPE vocabulary: bytes of a token -> id, and (left id, right id) -> merge.
// Flat, open-addressed, built once; immutable afterwards and safe to read from many threads.
// Both own everything they hold.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace quern {

// A well-mixed hash of a piece of text.
uint64_t hash_bytes(std::string_view bytes);

// Token bytes -> id. Of equal tokens the last one wins.
class TokenTable {
 public:
  // Room for `n_tokens` tokens of `n_bytes` bytes in all.
  TokenTable(size_t n_tokens, size_t n_bytes);

  // The place where the next token's bytes go: append to it, then call add().
  std::string& arena() { return arena_; }
  // Adds what was appended to the arena since the last call, as token `id`. A token without bytes
  // is not indexed. Fails when the vocabulary is made to collide.
  Status add(TokenId id);
  // Ends the adding; before it, find() may miss tokens.
  Status finish();

  TokenId find(std::string_view bytes) const { return find(bytes, hash_bytes(bytes)); }
  TokenId find(std::string_view bytes, uint64_t hash) const {
    if (bytes.size() > longest_) {
      return kNoToken;
    }
    return probe(bytes, hash);
  }
  // find(bytes) == id, without a search.
  bool is(TokenId id, std::string_view bytes) const {
    const auto index = static_cast<size_t>(value(id));
    return index < by_id_.size() && !bytes.empty() && bytes_of(by_id_[index]) == bytes;
  }
  // Asks the processor for the slot that find() will read, and then for that slot's bytes.
  void prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[hash & mask_]); }
  void prefetch_bytes(uint64_t hash) const {
    __builtin_prefetch(arena_.data() + slots_[hash & mask_].span.begin);
  }

 private:
  struct Span {  // in arena_
    uint32_t begin = 0;
    uint32_t n_bytes = 0;
  };
  struct Slot {
    uint32_t tag = 0;  // upper half of the hash
    int32_t id = -1;
    Span span;
  };

  // Additions wait in a small group, so that their slots are on the way to the processor meanwhile.
  struct Pending {
    TokenId id = kNoToken;
    Span span;
    uint64_t hash = 0;
  };
  static constexpr size_t kGroup = 32;

  Status insert(const Pending& pending);
  std::string_view bytes_of(Span span) const { return {arena_.data() + span.begin, span.n_bytes}; }
  TokenId probe(std::string_view bytes, uint64_t hash) const;

  std::string arena_;
  size_t added_bytes_ = 0;
  std::array<Pending, kGroup> pending_;
  size_t n_pending_ = 0;
  size_t longest_ = 0;
  uint64_t mask_;
  std::vector<Slot> slots_;
  std::vector<Span> by_id_;  // empty where the id is not indexed
};

inline constexpr uint32_t kNoRank = std::numeric_limits<uint32_t>::max();

// (left id, right id) -> rank, and rank -> merged id. Of equal pairs the first one wins.
class MergeTable {
 public:
  explicit MergeTable(size_t n_merges);

  // Adds the merge of the next rank. Fails when the file's pairs are made to collide.
  Status add(TokenId left, TokenId right, TokenId merged);

  uint32_t rank(TokenId left, TokenId right) const {
    const uint64_t key = key_of(left, right);
    const uint64_t first = start(key);
    if (!may_hold(first)) {
      return kNoRank;
    }
    for (uint64_t at = first;; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.key() == key) {
        return slot.rank;
      }
      if (slot.rank == kNoRank) {
        return kNoRank;
      }
    }
  }
  TokenId merged(uint32_t rank) const { return merged_[rank]; }
  void prefetch(TokenId left, TokenId right) const {
    __builtin_prefetch(&slots_[start(key_of(left, right))]);
  }

  // True when no merge of a lower rank uses the token that this one makes, so that doing it never
  // creates a pair that would have to be merged before the next pair of this rank. Merges that
  // were learnt in order all have it; lists made from a ranking of tokens (tiktoken's) do not.
  bool sweepable(uint32_t rank) const { return sweepable_[rank]; }

 private:
  struct Slot {
    uint32_t left = kNoRank;
    uint32_t right = kNoRank;
    uint32_t rank = kNoRank;
    uint64_t key() const { return (uint64_t{left} << 32) | right; }
  };

  static uint64_t key_of(TokenId left, TokenId right) {
    return (uint64_t{static_cast<uint32_t>(left)} << 32) | static_cast<uint32_t>(right);
  }
  // Two rounds of multiplication: with one, ids that count up side by side fall on each other.
  uint64_t start(uint64_t key) const {
    key *= 0x9E3779B97F4A7C15ULL;
    key ^= key >> 32;
    return (key * 0xD6E8FEB86659FD93ULL) >> shift_;
  }

  // Most pairs that are asked for have no merge. A bit for each slot says whether any pair starts
  // there: 1/96 of the table, and near the processor where the table is not.
  bool may_hold(uint64_t slot) const { return ((starts_[slot / 64] >> (slot % 64)) & 1) != 0; }

  uint64_t mask_;
  int shift_;
  std::vector<Slot> slots_;
  std::vector<uint64_t> starts_;
  std::vector<TokenId> merged_;
  std::vector<bool> sweepable_;  // by rank
  std::vector<bool> used_;       // by id: a merge used the token already
};

}  // namespace quern
