#include "kernels/quantise_fit.h"

#include <algorithm>
#include <cstddef>

namespace quern {
namespace {

// Codes from the line, then the line from the codes: how often. More gains less than 1 %.
constexpr int kRounds = 3;

// Sums over a block that determine its best line.
struct LineSums {
  float n = 0.0F;
  float x = 0.0F;
  float q = 0.0F;
  float qq = 0.0F;
  float xq = 0.0F;
};

float nearest_code(float v, int code_max) {
  return round_small(std::clamp(v, 0.0F, static_cast<float>(code_max)));
}

// With the codes that `line` gives.
LineSums sums_of(std::span<const float> x, const Line& line, int code_max) {
  const float inverse = reciprocal(line.d);
  LineSums sums{.n = static_cast<float>(x.size())};
  for (const float v : x) {
    const float q = nearest_code((v - line.m) * inverse, code_max);
    sums.x += v;
    sums.q += q;
    sums.qq += q * q;
    sums.xq += v * q;
  }
  return sums;
}

// The least-squares line through the points (q, x), as `storage` allows it.
Line solve(const LineSums& sums, LineStorage storage) {
  const float determinant = sums.n * sums.qq - sums.q * sums.q;
  if (determinant <= 0.0F) {  // all codes are equal
    return {};
  }
  const float d = (sums.n * sums.xq - sums.x * sums.q) / determinant;
  const float m = (sums.x - d * sums.q) / sums.n;
  if (storage == LineStorage::k_multiples && m > 0.0F) {
    return {.d = sums.xq / sums.qq, .m = 0.0F};
  }
  return {.d = d, .m = m};
}

Line as_stored(const Line& line, LineStorage storage) {
  if (storage == LineStorage::k_multiples) {
    return line;
  }
  return {.d = f16_to_f32(f16_scale(line.d)), .m = f16_to_f32(f32_to_f16(line.m))};
}

float line_error(std::span<const float> x, const Line& line, int code_max) {
  const float inverse = reciprocal(line.d);
  float sum = 0.0F;
  for (const float v : x) {
    const float q = nearest_code((v - line.m) * inverse, code_max);
    const float error = line.d * q + line.m - v;
    sum += error * error;
  }
  return sum;
}

}  // namespace

CodebookLevels::CodebookLevels(const int8_t (&levels)[16]) : table{}, middles{} {
  for (size_t i = 0; i < 16; ++i) {
    table[i] = static_cast<float>(levels[i]);
  }
  for (size_t i = 0; i < 15; ++i) {
    middles[i] = 0.5F * (table[i] + table[i + 1]);
  }
}

Line fit_line(std::span<const float> x, LineSpec spec) {
  const auto [least, greatest] = std::ranges::minmax(x);
  const float low = spec.storage == LineStorage::k_multiples ? std::min(least, 0.0F) : least;
  const float range = greatest - low;
  if (range < kNegligible) {
    return {.d = 0.0F, .m = low};
  }
  const auto code_max = static_cast<float>(spec.code_max);
  Line best = as_stored({.d = range / code_max, .m = low}, spec.storage);
  float best_error = line_error(x, best, spec.code_max);
  for (int trial = 0; trial <= 20; ++trial) {
    // The range's end maps to code_max - 0.5 up to code_max + 1.5.
    Line line{.d = range / (code_max - 0.5F + 0.1F * static_cast<float>(trial)), .m = low};
    for (int round = 0; round < kRounds && line.d > 0.0F; ++round) {
      line = solve(sums_of(x, line, spec.code_max), spec.storage);
    }
    line = as_stored(line, spec.storage);
    if (line.d <= 0.0F) {
      continue;
    }
    const float error = line_error(x, line, spec.code_max);
    if (error < best_error) {
      best_error = error;
      best = line;
    }
  }
  return best;
}

}  // namespace quern
