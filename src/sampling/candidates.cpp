#include "sampling/candidates.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace quern {
namespace {

constexpr std::ptrdiff_t kSortBelow = 64;  // entries; smaller ranges are sorted outright

std::ptrdiff_t offset(size_t i) {
  return static_cast<std::ptrdiff_t>(i);
}

}  // namespace

Candidates::Candidates(uint32_t vocab_size)
    : ids_(vocab_size),
      kept_logits_(vocab_size),
      block_max_(count_blocks(vocab_size)),
      block_order_(count_blocks(vocab_size)),
      block_sums_(count_blocks(vocab_size)),
      entries_(vocab_size) {}

LogitScan Candidates::start(std::span<const float> logits) {
  QUERN_CHECK(logits.size() <= ids_.size());
  logits_ = logits;
  whole_ = true;
  const LogitScan scan = scan_logits(logits, block_max_);
  max_ = scan.max;
  return scan;
}

size_t Candidates::argmax() const {
  if (whole_) {
    return first_index_of(max_, logits_, block_max_);
  }
  return static_cast<size_t>(std::ranges::find(logits_, max_) - logits_.begin());
}

void Candidates::finish(size_t n, float max) {
  whole_ = false;
  logits_ = std::span<const float>(kept_logits_).first(n);
  max_ = max;
}

template <typename Predicate>
void Candidates::keep_if(Predicate keep) {
  size_t n = 0;
  float max = kNegInf;
  for (size_t i = 0; i < size(); ++i) {
    const float logit = logits_[i];
    const bool stays = logit > kNegInf && keep(logit, value(token(i)));
    n = push(i, n, stays);
    max = stays && logit > max ? logit : max;
  }
  finish(n, max);
}

// Blocks whose highest logit is below the threshold are not looked at.
void Candidates::keep_at_least_from_whole(float threshold) {
  // One comparison per logit: the floor also leaves out what is -inf.
  const float floor = std::max(threshold, std::numeric_limits<float>::lowest());
  size_t n = 0;
  for (size_t b = 0; b < count_blocks(size()); ++b) {
    if (block_max_[b] < threshold || block_max_[b] == kNegInf) {
      continue;
    }
    const size_t last = std::min((b + 1) * kBlock, size());
    for (size_t i = b * kBlock; i < last; ++i) {
      n = push(i, n, logits_[i] >= floor);
    }
  }
  finish(n, max_);
}

void Candidates::keep_at_least(float threshold) {
  const float cut = std::min(threshold, max_);  // rounding must not lose the best token
  if (whole_) {
    keep_at_least_from_whole(cut);
  } else {
    keep_if([cut](float logit, int32_t) { return logit >= cut; });
  }
}

// At least k logits reach the k-th highest block maximum, so the k best all do.
float Candidates::block_threshold(size_t k) {
  const size_t n_blocks = count_blocks(size());
  if (k > n_blocks) {
    return kNegInf;
  }
  const auto order = std::span(block_order_).first(n_blocks);
  std::ranges::copy(std::span(block_max_).first(n_blocks), order.begin());
  std::nth_element(order.begin(), order.begin() + offset(k - 1), order.end(), std::greater<>());
  return order[k - 1];
}

void Candidates::keep_top_k(size_t k) {
  QUERN_CHECK(k > 0);
  if (k >= size()) {
    return;
  }
  if (whole_) {
    keep_at_least_from_whole(block_threshold(k));
  }
  if (k >= size()) {
    return;
  }
  const auto entries = std::span(entries_).first(size());
  for (size_t i = 0; i < size(); ++i) {
    entries[i] = {.key = logits_[i], .id = value(token(i)), .weight = 0.0F};
  }
  const auto kth = entries.begin() + offset(k - 1);
  std::nth_element(entries.begin(), kth, entries.end(), before);
  const Entry cut = *kth;
  keep_if([cut](float logit, int32_t id) {
    return !before(cut, {.key = logit, .id = id, .weight = 0.0F});
  });
}

std::span<Candidates::Entry> Candidates::fill_entries(Softmax softmax) {
  const auto entries = std::span(entries_).first(size());
  for (size_t i = 0; i < size(); ++i) {
    entries[i] = {.key = logits_[i], .id = value(token(i)), .weight = softmax.weight(logits_[i])};
  }
  return entries;
}

// Returns the last entry of the shortest head of the order that reaches the goal. A quickselect by
// mass: each round halves the range, so the whole costs O(n), where sorting would cost O(n log n).
Candidates::Entry Candidates::head_with_mass(std::span<Entry> entries, MassGoal goal) {
  auto low = entries.begin();  // everything before it belongs to the head
  auto high = entries.end();   // the head ends at or before it
  double mass = 0.0;
  while (high - low > kSortBelow) {
    const auto middle = low + (high - low) / 2;
    std::nth_element(low, middle, high, before);
    double upper = 0.0;
    for (auto it = low; it != middle; ++it) {
      upper += static_cast<double>(it->weight);
    }
    if (goal.reached(mass + upper)) {
      high = middle;
    } else {
      mass += upper;
      low = middle;
    }
  }
  std::sort(low, high, before);
  for (auto it = low; it != high; ++it) {
    mass += static_cast<double>(it->weight);
    if (goal.reached(mass)) {
      return *it;
    }
  }
  return *(high - 1);
}

void Candidates::keep_top_p(float p) {
  const Softmax softmax{.max = max_};
  const double total = weigh(softmax);
  if (whole_) {
    // Tokens below (1 - p) / n hold less than 1 - p together, so the head lies above them. The
    // factor 1/2 covers the rounding of weights.
    const double floor = 0.5 * (1.0 - static_cast<double>(p)) / static_cast<double>(size());
    keep_at_least(max_ + static_cast<float>(std::log(floor * total)));
  }
  const Entry cut = head_with_mass(fill_entries(softmax),
                                   {.mass = static_cast<double>(p) * total, .strict = false});
  keep_if([cut](float logit, int32_t id) {
    return !before(cut, {.key = logit, .id = id, .weight = 0.0F});
  });
}

void Candidates::keep_typical(float p) {
  const Softmax softmax{.max = max_};
  const EntropyResult stats = softmax_entropy(logits_, softmax);
  // Distance of a token's surprise (ln Z - x) from the expected one; the nearest come first.
  const auto expected = static_cast<float>(std::log(stats.total) - stats.entropy);
  const auto key = [=](float logit) { return -std::abs(expected - softmax.exponent(logit)); };
  keep_at_least(kNegInf);
  const auto entries = fill_entries(softmax);
  for (size_t i = 0; i < size(); ++i) {
    entries[i].key = key(logits_[i]);
  }
  const Entry cut =
      head_with_mass(entries, {.mass = static_cast<double>(p) * stats.total, .strict = true});
  keep_if([cut, key](float logit, int32_t id) {
    return !before(cut, {.key = key(logit), .id = id, .weight = 0.0F});
  });
}

void Candidates::remove_top_choices(float threshold) {
  const Softmax softmax{.max = max_};
  const double bar = static_cast<double>(threshold) * weigh(softmax);
  const auto is_top = [&](float logit) {
    return static_cast<double>(softmax.weight(logit)) >= bar;
  };
  // The last of the top choices in the order of draws (logit down, id up) stays.
  Entry last{.key = std::numeric_limits<float>::infinity(), .id = 0, .weight = 0.0F};
  for (size_t i = 0; i < size(); ++i) {
    const Entry entry{.key = logits_[i], .id = value(token(i)), .weight = 0.0F};
    if (entry.key > kNegInf && is_top(entry.key) && before(last, entry)) {
      last = entry;
    }
  }
  keep_if([&](float logit, int32_t id) { return !is_top(logit) || id == last.id; });
}

double Candidates::weigh(Softmax softmax) {
  total_ = sum_weights(logits_, softmax, block_sums_);
  return total_;
}

size_t Candidates::pick(Softmax softmax, double u) const {
  return pick_index({.logits = logits_, .block_sums = block_sums_, .total = total_}, softmax, u);
}

}  // namespace quern
