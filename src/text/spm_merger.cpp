#include "text/spm_merger.h"

#include <algorithm>
#include <bit>

#include "text/utf8.h"

namespace quern {

namespace {

// Words up to this many characters use the heap: it stays in the L1 cache (2^11 x 8 bytes).
constexpr size_t kMaxHeapSymbols = 2048;
constexpr size_t kMaxReserved = 1U << 24;   // symbols; longer words are no ordinary text
constexpr size_t kMaxMemoSlots = 1U << 14;  // 192 KiB: the common pairs, within the L2 cache
constexpr size_t kBytesPerMemoSlot = 16;    // a short text is not worth a large table

bool may_merge(TokenType type) {
  return type == TokenType::normal || type == TokenType::user_defined ||
         type == TokenType::unused || type == TokenType::undefined;
}

}  // namespace

SpmMerges::SpmMerges(const VocabTable& tokens) : tokens_(&tokens) {
  index_ranks();
  index_byte_pairs();
  for (size_t c = 0; c < ascii_.size(); ++c) {
    const char text = static_cast<char>(c);
    ascii_[c] = find({&text, 1});
  }
}

void SpmMerges::index_ranks() {
  std::vector<int32_t> order;
  for (int32_t i = 0; i < static_cast<int32_t>(tokens_->size()); ++i) {
    if (may_merge(tokens_->type(TokenId{i}))) {
      order.push_back(i);
      max_bytes_ = std::max(max_bytes_, tokens_->text(TokenId{i}).size());
      joiners_.add(tokens_->text(TokenId{i}));
    }
  }
  joiners_.done();
  const auto score = [&](int32_t id) { return tokens_->score(TokenId{id}); };
  std::ranges::sort(order, std::greater<>{}, score);
  ranks_.assign(tokens_->size(), kNeverMerged);
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || score(order[i]) != score(order[i - 1])) {
      ++n_ranks_;
    }
    ranks_[static_cast<size_t>(order[i])] = n_ranks_ - 1;
  }
}

// A merge makes a token, so symbols are joined nowhere but inside a token's text.
void SpmMerges::index_byte_pairs() {
  for (size_t i = 0; i < ranks_.size(); ++i) {
    const std::string_view text = tokens_->text(TokenId{static_cast<int32_t>(i)});
    for (size_t at = 1; ranks_[i] != kNeverMerged && at < text.size(); ++at) {
      byte_pairs_.add(text[at - 1], text[at]);
    }
  }
  for (int left = 0; left < 0x100; ++left) {
    for (int continuation = 0x80; continuation < 0xC0; ++continuation) {
      byte_pairs_.add(static_cast<char>(left), static_cast<char>(continuation));
    }
  }
}

SpmMerger::SpmMerger(const SpmMerges& merges, size_t n_text_bytes)
    : merges_(merges),
      memo_(
          std::clamp<size_t>(std::bit_ceil(n_text_bytes / kBytesPerMemoSlot), 64, kMaxMemoSlots)) {}

bool SpmMerger::HeapQueue::pop(uint32_t& rank, uint32_t& at) {
  if (heap_.empty()) {
    return false;
  }
  rank = static_cast<uint32_t>(heap_.top() >> 32);
  at = static_cast<uint32_t>(heap_.top());
  heap_.pop();
  return true;
}

uint32_t SpmMerger::BucketQueue::Bucket::take() {
  const bool ordered = head < in_order.size();
  if (!out_of_order.empty() && (!ordered || out_of_order.top() < in_order[head])) {
    const uint32_t at = out_of_order.top();
    out_of_order.pop();
    return at;
  }
  return in_order[head++];
}

void SpmMerger::BucketQueue::push(uint32_t rank, uint32_t at) {
  if (bucket_of_[rank] == kEnd) {
    bucket_of_[rank] = static_cast<uint32_t>(buckets_.size());
    buckets_.emplace_back();
  }
  Bucket& bucket = buckets_[bucket_of_[rank]];
  if (bucket.head == bucket.in_order.size() || at >= bucket.in_order.back()) {
    bucket.in_order.push_back(at);
  } else {
    bucket.out_of_order.push(at);
  }
  if (!bucket.queued) {
    bucket.queued = true;
    ranks_.push(rank);
  }
}

bool SpmMerger::BucketQueue::pop(uint32_t& rank, uint32_t& at) {
  while (!ranks_.empty()) {
    rank = ranks_.top();
    Bucket& bucket = buckets_[bucket_of_[rank]];
    if (!bucket.empty()) {
      at = bucket.take();
      return true;
    }
    bucket.queued = false;
    bucket.in_order.clear();
    bucket.head = 0;
    ranks_.pop();
  }
  return false;
}

void SpmMerger::split(std::string_view word) {
  symbols_.clear();
  // Growing by doubling would touch twice the memory, which is most of the cost of a long word.
  symbols_.reserve(std::min(word.size(), kMaxReserved));
  for (uint32_t at = 0; at < word.size();) {
    const uint32_t n_bytes = decode_utf8(word.substr(at)).n_bytes;
    const int32_t id = static_cast<int8_t>(word[at]) >= 0 ? merges_.find_ascii(word[at])
                                                          : merges_.find(word.substr(at, n_bytes));
    const auto index = static_cast<uint32_t>(symbols_.size());
    symbols_.push_back({at, index == 0 ? kEnd : index - 1, index + 1, id, -1});
    at += n_bytes;
  }
  symbols_.back().next = kEnd;
}

int32_t SpmMerger::pair(std::string_view word, uint32_t left) {
  const Symbol& a = symbols_[left];
  if (a.next == kEnd) {
    return -1;
  }
  const Symbol& b = symbols_[a.next];
  const auto look_up = [&] {
    return merges_.find(word.substr(a.begin, end_of(word, b) - a.begin));
  };
  if (a.id < 0 || b.id < 0) {
    return look_up();
  }
  const uint32_t mixed =
      static_cast<uint32_t>(a.id) * 0x9E3779B1U + static_cast<uint32_t>(b.id) * 0x85EBCA77U;
  MemoEntry& entry = memo_[(mixed >> 16) & (memo_.size() - 1)];
  if (entry.left != a.id || entry.right != b.id) {
    entry = {a.id, b.id, look_up()};
  }
  return entry.merged;
}

template <typename Queue>
void SpmMerger::seed(std::string_view word, Queue& queue) {
  for (uint32_t i = 0; i < symbols_.size(); ++i) {
    renew(word, i, queue);
  }
}

template <typename Queue>
void SpmMerger::renew(std::string_view word, uint32_t left, Queue& queue) {
  const int32_t merged = pair(word, left);
  symbols_[left].pair_id = merged;
  if (merged >= 0) {
    queue.push(merges_.rank(merged), left);
  }
}

template <typename Queue>
void SpmMerger::drain(std::string_view word, Queue& queue) {
  uint32_t rank = 0;
  uint32_t at = 0;
  while (queue.pop(rank, at)) {
    Symbol& left = symbols_[at];
    // A neighbour was merged since the pair was queued, so it is another pair now or none.
    if (left.pair_id < 0 || merges_.rank(left.pair_id) != rank) {
      continue;
    }
    Symbol& right = symbols_[left.next];
    left.id = left.pair_id;
    left.next = right.next;
    right.pair_id = -1;
    if (left.next != kEnd) {
      symbols_[left.next].prev = at;
    }
    if (left.prev != kEnd) {
      renew(word, left.prev, queue);
    }
    renew(word, at, queue);
  }
}

void SpmMerger::run(std::string_view word) {
  if (word.empty()) {
    return;
  }
  split(word);
  if (symbols_.size() <= kMaxHeapSymbols) {
    seed(word, heap_);
    drain(word, heap_);
    return;
  }
  BucketQueue buckets(merges_.n_ranks());
  seed(word, buckets);
  drain(word, buckets);
}

}  // namespace quern
