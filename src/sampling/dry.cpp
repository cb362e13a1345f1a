#include "sampling/dry.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace quern {
namespace {

uint32_t largest_exponent(float base) {
  // ln(FLT_MAX) / ln(base), and no bound that matters for a base that hardly grows.
  const double log_base = std::log(static_cast<double>(base));
  const double limit = std::log(static_cast<double>(std::numeric_limits<float>::max()));
  return log_base > 1e-6 ? static_cast<uint32_t>(limit / log_base)
                         : std::numeric_limits<uint32_t>::max();
}

}  // namespace

void find_repeats(std::span<const TokenId> recent, std::span<uint32_t> repeats) {
  const size_t n = recent.size();
  // [box, box_end) is the match found so far that reaches furthest.
  size_t box = 0;
  size_t box_end = 0;
  std::ranges::fill(repeats.first(n), 0U);
  for (size_t k = 1; k < n; ++k) {
    size_t match = k < box_end ? std::min<size_t>(box_end - k, repeats[k - box]) : 0;
    while (k + match < n && recent[k + match] == recent[match]) {
      ++match;
    }
    repeats[k] = static_cast<uint32_t>(match);
    if (k + match > box_end) {
      box = k;
      box_end = k + match;
    }
  }
}

DryPenalty::DryPenalty(const SamplingParams& params, size_t last_n)
    : multiplier_(params.dry_multiplier),
      base_(params.dry_base),
      allowed_length_(static_cast<uint32_t>(params.dry_allowed_length)),
      last_n_(last_n),
      max_exponent_(largest_exponent(params.dry_base)),
      breakers_(params.dry_sequence_breakers) {
  std::ranges::sort(breakers_);
}

bool DryPenalty::is_breaker(TokenId token) const {
  const auto it = std::ranges::lower_bound(breakers_, token, {},
                                           [](const auto& breaker) { return breaker.front(); });
  // The shortest of those with this head sorts first.
  return it != breakers_.end() && it->front() == token && it->size() == 1;
}

// The length of the longest breaker that starts at this age and runs towards the newest token; 0
// when none does. Narrows the sorted list token by token.
size_t DryPenalty::longest_breaker_at(std::span<const TokenId> recent, size_t age) const {
  size_t longest = 0;
  auto matching = std::ranges::subrange(breakers_.begin(), breakers_.end());
  for (size_t depth = 0; depth <= age && !matching.empty(); ++depth) {
    const auto at_depth = [depth](const auto& breaker) {
      return depth < breaker.size() ? breaker[depth] : kNoToken;
    };
    matching = std::ranges::equal_range(matching, recent[age - depth], {}, at_depth);
    if (!matching.empty() && matching.front().size() == depth + 1) {
      longest = depth + 1;
    }
  }
  return longest;
}

size_t DryPenalty::tokens_since_breaker(std::span<const TokenId> recent) const {
  if (breakers_.empty()) {
    return recent.size();
  }
  for (size_t age = 0; age < recent.size(); ++age) {
    const size_t length = longest_breaker_at(recent, age);
    if (length > 0) {
      return age + 1 - length;
    }
  }
  return recent.size();
}

float DryPenalty::penalty(uint32_t repeat) const {
  const uint32_t exponent = std::min(repeat - allowed_length_, max_exponent_);
  return multiplier_ * std::pow(base_, static_cast<float>(exponent));
}

void DryPenalty::apply(const TokenWindow& window, DryScratch& scratch, PenaltyTarget target) const {
  const size_t n = std::min(last_n_, window.size());
  if (n <= allowed_length_) {
    return;
  }
  const auto recent = std::span(scratch.recent).first(n);
  const auto repeats = std::span(scratch.repeats).first(n);
  for (size_t age = 0; age < n; ++age) {
    recent[age] = window.recent(age);
  }
  const size_t limit = tokens_since_breaker(recent);
  if (limit < allowed_length_) {
    return;
  }
  find_repeats(recent, repeats);
  // The token after the repetition that ended k tokens ago is the one at age k - 1. counts holds
  // 1 + the longest repetition that each token would extend.
  for (size_t k = 1; k < n; ++k) {
    repeats[k] = std::min(repeats[k], static_cast<uint32_t>(limit));
    if (repeats[k] >= allowed_length_) {
      uint32_t& longest = target.counts[static_cast<size_t>(value(recent[k - 1]))];
      longest = std::max(longest, repeats[k] + 1);
    }
  }
  for (size_t k = 1; k < n; ++k) {
    const auto token = static_cast<size_t>(value(recent[k - 1]));
    const uint32_t longest = target.counts[token];
    target.counts[token] = 0;
    if (longest > 0 && !is_breaker(recent[k - 1])) {
      target.logits[token] -= penalty(longest - 1);
    }
  }
}

}  // namespace quern
