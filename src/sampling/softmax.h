// Softmax arithmetic over whole vocabularies: block-wise, vectorisable, in one fixed order.
// Thread safety: pure functions. Nothing here owns memory.
//
// Logits are walked in blocks of kBlock; a last partial block is padded with -infinity, whose
// weight is exactly 0. Sums inside a block are a fixed tree, blocks are added in order in double,
// so that a result does not depend on the width of the machine's vectors.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace quern {

inline constexpr float kNegInf = -std::numeric_limits<float>::infinity();
inline constexpr size_t kBlock = 64;  // one cache line of maxima covers 1024 logits

constexpr size_t count_blocks(size_t n) {
  return (n + kBlock - 1) / kBlock;
}

inline constexpr float kExpLowest = -87.0F;      // above it no step leaves the normal floats
inline constexpr float kExpRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer

// exp(x) for x <= 0 with a relative error below 2e-7; exactly 0 below -87 (and for -infinity),
// exactly 1 at 0. Argument reduction by ln 2 in two parts (Cody and Waite), then a polynomial on
// [-ln2/2, ln2/2] (Cephes expf). No branch, so that loops over it vectorise: what lies below the
// range is computed to some nonsense and masked away.
inline float exp_nonpositive(float x) {
  const float shifted = x * 1.44269504F + kExpRound;
  const float n = shifted - kExpRound;
  const float r = (x - n * 0.693359375F) - n * -2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = (p * r) * r + r + 1.0F;
  const uint32_t exponent = std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(kExpRound);
  const float scale = std::bit_cast<float>((exponent + 127U) << 23U);
  const uint32_t in_range = x >= kExpLowest ? ~0U : 0U;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(p * scale) & in_range);
}

// weight(logit) = exp((logit - max) * inv_temperature), 1 for the highest logit.
struct Softmax {
  float max = 0.0F;
  float inv_temperature = 1.0F;

  float exponent(float logit) const { return (logit - max) * inv_temperature; }
  float weight(float logit) const { return exp_nonpositive(exponent(logit)); }
};

struct LogitScan {
  float max = kNegInf;
  bool has_bad = false;  // NaN or +infinity
};

// One pass: the highest logit, whether any is NaN or +infinity, and each block's highest
// (block_max: [count_blocks]).
LogitScan scan_logits(std::span<const float> logits, std::span<float> block_max);

// Copies and tells whether any value is NaN or +infinity.
bool copy_has_bad(std::span<const float> from, std::span<float> to);

// The lowest index whose logit equals max.
size_t first_index_of(float max, std::span<const float> logits, std::span<const float> block_max);

// Sum of weights; block_sums: [count_blocks] receives each block's share.
double sum_weights(std::span<const float> logits, Softmax softmax, std::span<double> block_sums);

// Entropy in nats of the normalised weights, and their sum.
struct EntropyResult {
  double entropy = 0.0;
  double total = 0.0;
};
EntropyResult softmax_entropy(std::span<const float> logits, Softmax softmax);

// Mean and population standard deviation of the logits above -infinity.
struct Moments {
  double mean = 0.0;
  double stddev = 0.0;
};
Moments logit_moments(std::span<const float> logits);

// Inverse CDF in index order: the index where the running sum of weights passes u * total, u in
// [0, 1). block_sums comes from sum_weights with the same logits and softmax.
struct WeightTable {
  std::span<const float> logits;
  std::span<const double> block_sums;
  double total = 0.0;
};
size_t pick_index(const WeightTable& table, Softmax softmax, double u);

}  // namespace quern
