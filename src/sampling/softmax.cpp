#include "sampling/softmax.h"

#include <algorithm>
#include <cmath>

namespace quern {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

using Block = std::array<float, kBlock>;

// Block b of logits; a partial one is copied into tail and padded with -infinity.
const float* block_at(std::span<const float> logits, size_t b, Block& tail) {
  const size_t first = b * kBlock;
  if (first + kBlock <= logits.size()) {
    return logits.data() + first;
  }
  tail.fill(kNegInf);
  std::copy(logits.begin() + static_cast<std::ptrdiff_t>(first), logits.end(), tail.begin());
  return tail.data();
}

float tree_sum(Block& values) {
  for (size_t half = kBlock / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) {
      values[i] += values[i + half];
    }
  }
  return values[0];
}

constexpr size_t kHalf = kBlock / 2;

struct BlockScan {
  float max;
  bool has_bad;
};

// Halving trees without branches: both loops vectorise.
BlockScan scan_block(const float* x) {
  std::array<float, kHalf> max;
  std::array<uint32_t, kHalf> bad;
  for (size_t i = 0; i < kHalf; ++i) {
    const float a = x[i];
    const float b = x[i + kHalf];
    max[i] = a > b ? a : b;
    bad[i] = (a < kInf ? 0U : 1U) | (b < kInf ? 0U : 1U);  // NaN compares false
  }
  for (size_t half = kHalf / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) {
      max[i] = max[i] > max[i + half] ? max[i] : max[i + half];
      bad[i] |= bad[i + half];
    }
  }
  return {.max = max[0], .has_bad = bad[0] != 0};
}

struct CountAndSum {
  double n = 0.0;
  double sum = 0.0;
};

// Of the logits above -infinity.
CountAndSum count_and_sum(std::span<const float> logits) {
  Block tail;
  Block values;
  Block present;
  CountAndSum result;
  for (size_t b = 0; b < count_blocks(logits.size()); ++b) {
    const float* x = block_at(logits, b, tail);
    for (size_t i = 0; i < kBlock; ++i) {
      present[i] = x[i] > kNegInf ? 1.0F : 0.0F;
      values[i] = x[i] > kNegInf ? x[i] : 0.0F;
    }
    result.n += static_cast<double>(tree_sum(present));
    result.sum += static_cast<double>(tree_sum(values));
  }
  return result;
}

double sum_squared_deviations(std::span<const float> logits, float center) {
  Block tail;
  Block values;
  double sum = 0.0;
  for (size_t b = 0; b < count_blocks(logits.size()); ++b) {
    const float* x = block_at(logits, b, tail);
    for (size_t i = 0; i < kBlock; ++i) {
      const float deviation = x[i] > kNegInf ? x[i] - center : 0.0F;
      values[i] = deviation * deviation;
    }
    sum += static_cast<double>(tree_sum(values));
  }
  return sum;
}

}  // namespace

LogitScan scan_logits(std::span<const float> logits, std::span<float> block_max) {
  LogitScan scan;
  Block tail;
  for (size_t b = 0; b < count_blocks(logits.size()); ++b) {
    const BlockScan block = scan_block(block_at(logits, b, tail));
    block_max[b] = block.max;
    scan.max = block.max > scan.max ? block.max : scan.max;
    scan.has_bad = scan.has_bad || block.has_bad;
  }
  return scan;
}

bool copy_has_bad(std::span<const float> from, std::span<float> to) {
  uint32_t bad = 0;
  for (size_t i = 0; i < from.size(); ++i) {
    to[i] = from[i];
    bad |= from[i] < kInf ? 0U : 1U;
  }
  return bad != 0;
}

size_t first_index_of(float max, std::span<const float> logits, std::span<const float> block_max) {
  const auto block = std::ranges::find(block_max.first(count_blocks(logits.size())), max);
  const auto first = (block - block_max.begin()) * static_cast<std::ptrdiff_t>(kBlock);
  return static_cast<size_t>(std::find(logits.begin() + first, logits.end(), max) - logits.begin());
}

double sum_weights(std::span<const float> logits, Softmax softmax, std::span<double> block_sums) {
  Block tail;
  Block weights;
  double total = 0.0;
  for (size_t b = 0; b < count_blocks(logits.size()); ++b) {
    const float* x = block_at(logits, b, tail);
    for (size_t i = 0; i < kBlock; ++i) {
      weights[i] = softmax.weight(x[i]);
    }
    block_sums[b] = static_cast<double>(tree_sum(weights));
    total += block_sums[b];
  }
  return total;
}

EntropyResult softmax_entropy(std::span<const float> logits, Softmax softmax) {
  // H = ln Z - sum(w * x) / Z with w = exp(x); a weight of 0 adds nothing (x may be -infinity).
  Block tail;
  Block weights;
  Block products;
  double total = 0.0;
  double product_total = 0.0;
  for (size_t b = 0; b < count_blocks(logits.size()); ++b) {
    const float* block = block_at(logits, b, tail);
    for (size_t i = 0; i < kBlock; ++i) {
      const float x = softmax.exponent(block[i]);
      weights[i] = exp_nonpositive(x);
      products[i] = weights[i] * (x < -100.0F ? 0.0F : x);
    }
    total += static_cast<double>(tree_sum(weights));
    product_total += static_cast<double>(tree_sum(products));
  }
  return {.entropy = std::log(total) - product_total / total, .total = total};
}

Moments logit_moments(std::span<const float> logits) {
  const CountAndSum all = count_and_sum(logits);
  if (all.n == 0.0) {
    return {};
  }
  // A second pass over deviations: sum of squares minus squared sum would cancel.
  const double mean = all.sum / all.n;
  const double squares = sum_squared_deviations(logits, static_cast<float>(mean));
  return {.mean = mean, .stddev = std::sqrt(squares / all.n)};
}

size_t pick_index(const WeightTable& table, Softmax softmax, double u) {
  const double target = u * table.total;
  const size_t n_blocks = count_blocks(table.logits.size());
  // The last block with any weight takes what rounding leaves over.
  double below = 0.0;
  size_t chosen = 0;
  double chosen_below = 0.0;
  for (size_t b = 0; b < n_blocks; ++b) {
    if (table.block_sums[b] <= 0.0) {
      continue;
    }
    chosen = b;
    chosen_below = below;
    below += table.block_sums[b];
    if (below > target) {
      break;
    }
  }
  const size_t first = chosen * kBlock;
  const size_t last = std::min(first + kBlock, table.logits.size());
  double running = chosen_below;
  size_t picked = first;
  for (size_t i = first; i < last; ++i) {
    const float weight = softmax.weight(table.logits[i]);
    if (weight <= 0.0F) {
      continue;  // a token of weight 0 is never drawn, whatever the rounding
    }
    picked = i;
    running += static_cast<double>(weight);
    if (running > target) {
      break;
    }
  }
  return picked;
}

}  // namespace quern
