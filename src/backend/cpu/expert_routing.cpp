#include "backend/cpu/expert_routing.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace quern {
namespace {

// Puts the experts of the largest logits into `out`, largest first; `weight` holds the logit.
// Whatever the numbers are, NaN included, each of `out` is a different expert.
void largest(std::span<const float> logits, std::span<ChosenExpert> out) {
  size_t n = 0;
  for (uint32_t e = 0; e < logits.size(); ++e) {
    if (n == out.size() && !(logits[e] > out[n - 1].weight)) {
      continue;
    }
    size_t at = n < out.size() ? n++ : n - 1;
    // Strictly larger ones alone move ahead: of equal logits, the lower number was there first.
    for (; at > 0 && logits[e] > out[at - 1].weight; --at) {
      out[at] = out[at - 1];
    }
    out[at] = {.expert = e, .weight = logits[e]};
  }
}

}  // namespace

void choose_experts(const ChooseArgs& args, std::span<ChosenExpert> out) {
  QUERN_CHECK(!out.empty() && out.size() <= args.logits.size());
  largest(args.logits, out);
  const auto max = static_cast<double>(out[0].weight);
  double sum = 0;
  if (args.normalise) {
    for (const ChosenExpert& c : out) {
      sum += std::exp(static_cast<double>(c.weight) - max);
    }
  } else {
    for (const float logit : args.logits) {
      sum += std::exp(static_cast<double>(logit) - max);
    }
  }
  for (ChosenExpert& c : out) {
    const double share = std::exp(static_cast<double>(c.weight) - max) / sum;
    c.weight = static_cast<float>(share * static_cast<double>(args.scale));
  }
  std::ranges::sort(out, {}, &ChosenExpert::expert);
}

void ExpertRouting::reserve(const Limits& limits) {
  limits_ = {.max_tokens = std::max(limits_.max_tokens, limits.max_tokens),
             .n_experts = std::max(limits_.n_experts, limits.n_experts),
             .n_used = std::max(limits_.n_used, limits.n_used)};
  const size_t n_rows = size_t{limits_.max_tokens} * limits_.n_used;
  chosen_.resize(n_rows);
  row_of_.resize(n_rows);
  token_of_.resize(n_rows);
  next_row_.resize(limits_.n_experts);
  segments_.reserve(limits_.n_experts);
  waves_.reserve(limits_.n_experts);
}

void ExpertRouting::begin(uint32_t n_tokens, uint32_t n_used) {
  QUERN_CHECK(n_tokens <= limits_.max_tokens && n_used <= limits_.n_used);
  n_tokens_ = n_tokens;
  n_used_ = n_used;
}

void ExpertRouting::choose(uint32_t token, const ChooseArgs& args) {
  QUERN_CHECK(args.logits.size() <= limits_.n_experts);
  choose_experts(args, std::span(chosen_).subspan(size_t{token} * n_used_, n_used_));
}

void ExpertRouting::add_segment(const ExpertSegment& segment) {
  if (waves_.empty() || waves_.back().n_rows + segment.n_rows > limits_.max_tokens) {
    const auto first = static_cast<uint32_t>(segments_.size());
    waves_.push_back({.first_segment = first,
                      .last_segment = first,
                      .first_row = segment.first_row,
                      .n_rows = 0});
  }
  segments_.push_back(segment);
  ++waves_.back().last_segment;
  waves_.back().n_rows += segment.n_rows;
}

void ExpertRouting::sort() {
  segments_.clear();
  waves_.clear();
  std::ranges::fill(next_row_, 0U);
  const size_t n_rows = size_t{n_tokens_} * n_used_;
  for (size_t i = 0; i < n_rows; ++i) {
    ++next_row_[chosen_[i].expert];
  }
  uint32_t first_row = 0;
  for (uint32_t e = 0; e < next_row_.size(); ++e) {
    const uint32_t n = next_row_[e];
    next_row_[e] = first_row;
    if (n > 0) {
      add_segment({.expert = e, .first_row = first_row, .n_rows = n});
    }
    first_row += n;
  }
  for (size_t i = 0; i < n_rows; ++i) {
    const uint32_t row = next_row_[chosen_[i].expert]++;
    row_of_[i] = row;
    token_of_[row] = static_cast<uint32_t>(i / n_used_);
  }
}

}  // namespace quern
