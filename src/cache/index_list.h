// IndexList: an intrusive doubly linked list over array indices, so that every operation is O(1)
// and none allocates. Several lists may share one array of links as long as an index is in at most
// one of them. Not thread-safe. Borrows the links, which each call names.
#pragma once

#include <cstdint>
#include <span>

namespace quern {

inline constexpr int32_t kNoIndex = -1;

struct IndexLink {
  int32_t prev = kNoIndex;
  int32_t next = kNoIndex;
};

class IndexList {
 public:
  using Links = std::span<IndexLink>;

  bool empty() const { return head_ == kNoIndex; }
  uint32_t n_items() const { return n_items_; }
  int32_t front() const { return head_; }
  int32_t back() const { return tail_; }

  void push_front(Links links, int32_t index) {
    at(links, index) = {.prev = kNoIndex, .next = head_};
    (empty() ? tail_ : at(links, head_).prev) = index;
    head_ = index;
    ++n_items_;
  }

  void push_back(Links links, int32_t index) {
    at(links, index) = {.prev = tail_, .next = kNoIndex};
    (empty() ? head_ : at(links, tail_).next) = index;
    tail_ = index;
    ++n_items_;
  }

  void remove(Links links, int32_t index) {
    const IndexLink link = at(links, index);
    (link.prev == kNoIndex ? head_ : at(links, link.prev).next) = link.next;
    (link.next == kNoIndex ? tail_ : at(links, link.next).prev) = link.prev;
    --n_items_;
  }

  // The list must not be empty.
  int32_t pop_front(Links links) {
    const int32_t index = head_;
    remove(links, index);
    return index;
  }

 private:
  static IndexLink& at(Links links, int32_t index) { return links[static_cast<size_t>(index)]; }

  int32_t head_ = kNoIndex;
  int32_t tail_ = kNoIndex;
  uint32_t n_items_ = 0;
};

}  // namespace quern
