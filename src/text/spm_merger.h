// SpmMerger: merges the characters of one word, the core of SentencePiece BPE.
// One object per encode call; reused from word to word so that its buffers are too. Not
// thread-safe. Borrows the vocabulary.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <queue>
#include <string_view>
#include <vector>

#include "text/byte_pairs.h"
#include "text/space_joiners.h"
#include "text/vocab_table.h"

namespace quern {

// What merging needs to know of a vocabulary, prepared once.
class SpmMerges {
 public:
  explicit SpmMerges(const VocabTable& tokens);

  const VocabTable& tokens() const { return *tokens_; }
  // The token that this text may merge to, or -1. Control, unknown and byte tokens are none, as in
  // SentencePiece: plain text never becomes a control token.
  int32_t find(std::string_view text) const {
    if (text.size() > max_bytes_) {
      return -1;
    }
    const TokenId id = tokens_->find(text);
    return id == kNoToken || ranks_[static_cast<size_t>(value(id))] == kNeverMerged ? -1
                                                                                    : value(id);
  }
  int32_t find_ascii(char c) const { return ascii_[static_cast<uint8_t>(c)]; }
  // 0 for the best score; equal scores share a rank.
  uint32_t rank(int32_t id) const { return ranks_[static_cast<size_t>(id)]; }
  uint32_t n_ranks() const { return n_ranks_; }
  const SpaceJoiners& joiners() const { return joiners_; }
  // Never between the bytes of one character.
  const BytePairs& byte_pairs() const { return byte_pairs_; }

 private:
  static constexpr uint32_t kNeverMerged = UINT32_MAX;

  void index_ranks();
  void index_byte_pairs();

  const VocabTable* tokens_;
  std::vector<uint32_t> ranks_;
  SpaceJoiners joiners_;
  BytePairs byte_pairs_;
  std::array<int32_t, 128> ascii_{};
  size_t max_bytes_ = 0;
  uint32_t n_ranks_ = 0;
};

class SpmMerger {
 public:
  struct Piece {
    std::string_view text;
    int32_t id;  // -1: a character that is no token
  };

  // `n_text_bytes`: of all words together, which sizes the memory of pairs.
  SpmMerger(const SpmMerges& merges, size_t n_text_bytes);

  // Calls `emit(Piece)` for each piece of `word`, in order. O(n log n).
  template <typename Emit>
  void merge(std::string_view word, Emit emit) {
    if (word.size() <= kMaxUncutBytes) {
      merge_part(word, emit);
      return;
    }
    for (size_t begin = 0; begin < word.size();) {
      const size_t end = merges_.byte_pairs().part_end(word, begin);
      merge_part(word.substr(begin, end - begin), emit);
      begin = end;
    }
  }

 private:
  static constexpr uint32_t kEnd = UINT32_MAX;
  static constexpr size_t kMaxUncutBytes = 40;  // ordinary words are not worth a search for cuts

  struct Symbol {
    uint32_t begin;
    uint32_t prev;
    uint32_t next;
    int32_t id;
    int32_t pair_id;  // what this symbol and the next one form, or -1
  };

  // Orders by (rank, position) through one heap: best for words.
  class HeapQueue {
   public:
    void push(uint32_t rank, uint32_t at) { heap_.push((static_cast<uint64_t>(rank) << 32) | at); }
    bool pop(uint32_t& rank, uint32_t& at);

   private:
    std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> heap_;
  };
  // The same order through one list of positions per rank. Positions mostly arrive in order, so a
  // text without any space costs little more per byte than prose.
  class BucketQueue {
   public:
    explicit BucketQueue(uint32_t n_ranks) : bucket_of_(n_ranks, kEnd) {}
    void push(uint32_t rank, uint32_t at);
    bool pop(uint32_t& rank, uint32_t& at);

   private:
    using MinHeap = std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>>;
    struct Bucket {
      std::vector<uint32_t> in_order;
      size_t head = 0;
      MinHeap out_of_order;
      bool queued = false;

      bool empty() const { return head == in_order.size() && out_of_order.empty(); }
      uint32_t take();
    };

    std::vector<uint32_t> bucket_of_;
    std::vector<Bucket> buckets_;
    MinHeap ranks_;  // those with a queued bucket
  };
  // Results of pair lookups; a text repeats the same few.
  struct MemoEntry {
    int32_t left = -1;
    int32_t right = -1;
    int32_t merged = -1;
  };

  size_t end_of(std::string_view word, const Symbol& symbol) const {
    return symbol.next == kEnd ? word.size() : symbols_[symbol.next].begin;
  }
  template <typename Emit>
  void merge_part(std::string_view part, Emit& emit) {
    run(part);
    for (uint32_t i = part.empty() ? kEnd : 0; i != kEnd; i = symbols_[i].next) {
      const Symbol& symbol = symbols_[i];
      emit(Piece{part.substr(symbol.begin, end_of(part, symbol) - symbol.begin), symbol.id});
    }
  }
  void run(std::string_view word);
  void split(std::string_view word);
  int32_t pair(std::string_view word, uint32_t left);
  template <typename Queue>
  void seed(std::string_view word, Queue& queue);
  template <typename Queue>
  void drain(std::string_view word, Queue& queue);
  template <typename Queue>
  void renew(std::string_view word, uint32_t left, Queue& queue);

  const SpmMerges& merges_;
  std::vector<Symbol> symbols_;
  HeapQueue heap_;
  std::vector<MemoEntry> memo_;  // a power of two, direct-mapped
};

}  // namespace quern
