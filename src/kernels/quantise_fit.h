// Least-squares search for the scales of quantised blocks, shared by the formats' encoders.
//
// For fixed codes the best scale has a closed form; the codes in turn follow from a scale. So each
// search tries a few scales near the one that maps the largest value to the end of the range,
// rounds, solves for the best scale of those codes and keeps the one with the least squared error.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/half.h"

namespace quern {

// Below this no f16 scale but zero represents a block; it also keeps reciprocals finite.
inline constexpr float kNegligible = 0x1p-30F;

// Nearest integer, ties to even, for |v| < 2^22: adding 1.5 * 2^23 leaves no bits for a fraction.
inline float round_small(float v) {
  return (v + 0x1.8p23F) - 0x1.8p23F;
}

inline float reciprocal(float d) {
  return d == 0.0F ? 0.0F : 1.0F / d;
}

// Bits of the f16 nearest to `d`, though the smallest one instead of zero when `d` is not zero:
// codes can then still tell values of such small blocks apart.
inline uint16_t f16_scale(float d) {
  const uint16_t bits = f32_to_f16(d);
  const bool vanished = (bits & 0x7FFFU) == 0 && d != 0.0F;
  return vanished ? static_cast<uint16_t>(bits | 1U) : bits;
}

// The integers lo..hi; codes count from lo.
struct UniformLevels {
  float lo;
  float hi;
  int code(float v) const { return static_cast<int>(nearest(v) - lo); }
  float reach() const { return std::max(-lo, hi); }
  float nearest(float v) const { return round_small(std::clamp(v, lo, hi)); }
};

// 16 ascending levels; a code is an index.
struct CodebookLevels {
  explicit CodebookLevels(const int8_t (&levels)[16]);
  float reach() const { return std::max(-table[0], table[15]); }
  int code(float v) const {
    int index = 0;
    for (const float m : middles) {
      index += v > m ? 1 : 0;
    }
    return index;
  }
  float nearest(float v) const { return table[static_cast<size_t>(code(v))]; }

  float table[16];
  float middles[15];  // half-way between neighbours
};

// The d for which d * levels.nearest(x / d) is closest to x in squared error; 0 for a block of
// zeros. d may be negative, since the levels need not be symmetric.
template <typename Levels>
float fit_scale(std::span<const float> x, const Levels& levels) {
  float peak = 0.0F;
  for (const float v : x) {
    peak = std::max(peak, std::abs(v));
  }
  if (peak < kNegligible) {
    return 0.0F;
  }
  float best_gain = 0.0F;  // sum(x^2) minus the squared error
  float best = 0.0F;
  for (int trial = 0; trial < 32; ++trial) {
    // 0.82 to 1.12 of the range's end, for either sign.
    const float end = levels.reach() * (0.82F + 0.02F * static_cast<float>(trial % 16));
    const float inverse = (trial < 16 ? end : -end) / peak;
    float x_dot_l = 0.0F;
    float l_dot_l = 0.0F;
    for (const float v : x) {
      const float level = levels.nearest(v * inverse);
      x_dot_l += v * level;
      l_dot_l += level * level;
    }
    if (l_dot_l > 0.0F && x_dot_l * x_dot_l > best_gain * l_dot_l) {
      best_gain = x_dot_l * x_dot_l / l_dot_l;
      best = x_dot_l / l_dot_l;
    }
  }
  return best;
}

// x is near d * q + m with q in 0..code_max.
struct Line {
  float d = 0.0F;
  float m = 0.0F;
};

// How a format stores d and m.
enum class LineStorage {
  f16,          // both rounded to f16: their error is part of the comparison
  k_multiples,  // multiples of a super-block's steps, m at most zero
};

struct LineSpec {
  int code_max;
  LineStorage storage;
};

// The line closest to x in squared error among those tried; d >= 0.
Line fit_line(std::span<const float> x, LineSpec spec);

}  // namespace quern
