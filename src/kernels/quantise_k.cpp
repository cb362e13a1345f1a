// Encoders of the formats with 256 values a super-block: every sub-block is fitted on its own; then
// its scale (and offset) becomes an integer multiple of the super-block's, the best of the nearest
// integer and its neighbours.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>

#include "kernels/quantise_blocks.h"
#include "kernels/quantise_fit.h"
#include "tensor/half.h"

namespace quern {
namespace {

constexpr size_t kValues = 256;
constexpr size_t kMaxSubBlocks = 16;

using SuperBlock = std::span<const float, kValues>;
using Codes256 = std::array<int, kValues>;

std::span<const float> sub_block(SuperBlock x, size_t k, size_t n_sub_blocks) {
  const size_t width = kValues / n_sub_blocks;
  return std::span<const float>(x).subspan(k * width, width);
}

// ---- x = d * s * level ----

struct SymmetricSpec {
  size_t n_sub_blocks;
  int scale_end;  // s in -scale_end..scale_end - 1
};

struct SymmetricFit {
  uint16_t d = 0;
  std::array<int, kMaxSubBlocks> s{};
  Codes256 codes{};
};

template <typename Levels>
float squared_error(std::span<const float> x, const Levels& levels, float scale) {
  const float inverse = reciprocal(scale);
  float sum = 0.0F;
  for (const float v : x) {
    const float error = scale * levels.nearest(v * inverse) - v;
    sum += error * error;
  }
  return sum;
}

struct ScaleTarget {
  float d;
  float fitted;         // what d * s should come close to
  UniformLevels range;  // of s
};

// The s near fitted / d with the least error.
template <typename Levels>
int choose_scale(std::span<const float> x, const Levels& levels, const ScaleTarget& target) {
  const float nearest = target.range.nearest(target.fitted * reciprocal(target.d));
  float best = nearest;
  float least = std::numeric_limits<float>::infinity();
  for (const float step : {0.0F, -1.0F, 1.0F}) {
    const float s = target.range.nearest(nearest + step);
    const float error = squared_error(x, levels, target.d * s);
    if (error < least) {
      least = error;
      best = s;
    }
  }
  return static_cast<int>(best);
}

template <typename Levels>
SymmetricFit fit_symmetric(SuperBlock x, const Levels& levels, SymmetricSpec spec) {
  std::array<float, kMaxSubBlocks> fitted{};
  float widest = 0.0F;
  for (size_t k = 0; k < spec.n_sub_blocks; ++k) {
    fitted[k] = fit_scale(sub_block(x, k, spec.n_sub_blocks), levels);
    widest = std::abs(fitted[k]) > std::abs(widest) ? fitted[k] : widest;
  }
  SymmetricFit fit;
  // The widest takes the negative end, which reaches one further.
  const auto end = static_cast<float>(spec.scale_end);
  fit.d = f16_scale(-widest / end);
  const float d = f16_to_f32(fit.d);
  for (size_t k = 0; k < spec.n_sub_blocks; ++k) {
    const auto values = sub_block(x, k, spec.n_sub_blocks);
    fit.s[k] = choose_scale(values, levels, ScaleTarget{d, fitted[k], {-end, end - 1.0F}});
    const float inverse = reciprocal(d * static_cast<float>(fit.s[k]));
    for (size_t i = 0; i < values.size(); ++i) {
      fit.codes[k * values.size() + i] = levels.code(values[i] * inverse);
    }
  }
  return fit;
}

// ---- x = d * s * q - dmin * z ----

struct AffineSpec {
  size_t n_sub_blocks;
  int code_max;   // q in 0..code_max
  int scale_max;  // s and z in 0..scale_max
};

struct AffineFit {
  uint16_t d = 0;
  uint16_t dmin = 0;
  std::array<int, kMaxSubBlocks> s{};
  std::array<int, kMaxSubBlocks> z{};
  Codes256 codes{};
};

// The line that a sub-block should come close to, what its s and z are multiplied by, their limit.
struct LineTarget {
  Line fitted;
  float d;
  float dmin;
  float limit;
};

struct IntegerLine {
  float s;
  float z;
};

float squared_error(std::span<const float> x, const UniformLevels& levels, const Line& line) {
  const float inverse = reciprocal(line.d);
  float sum = 0.0F;
  for (const float v : x) {
    const float error = line.d * levels.nearest((v - line.m) * inverse) + line.m - v;
    sum += error * error;
  }
  return sum;
}

// The integers near those of the fitted line with the least error.
IntegerLine choose_integers(std::span<const float> x, const UniformLevels& levels,
                            const LineTarget& target) {
  const UniformLevels range{0.0F, target.limit};
  const float nearest_s = range.nearest(target.fitted.d * reciprocal(target.d));
  const float nearest_z = range.nearest(-target.fitted.m * reciprocal(target.dmin));
  IntegerLine best{.s = nearest_s, .z = nearest_z};
  float least = std::numeric_limits<float>::infinity();
  for (const float s_step : {0.0F, -1.0F, 1.0F}) {
    for (const float z_step : {0.0F, -1.0F, 1.0F}) {
      const float s = range.nearest(nearest_s + s_step);
      const float z = range.nearest(nearest_z + z_step);
      const float error = squared_error(x, levels, Line{.d = target.d * s, .m = -target.dmin * z});
      if (error < least) {
        least = error;
        best = {.s = s, .z = z};
      }
    }
  }
  return best;
}

AffineFit fit_affine(SuperBlock x, AffineSpec spec) {
  std::array<Line, kMaxSubBlocks> lines{};
  Line widest;
  for (size_t k = 0; k < spec.n_sub_blocks; ++k) {
    lines[k] = fit_line(sub_block(x, k, spec.n_sub_blocks),
                        {.code_max = spec.code_max, .storage = LineStorage::k_multiples});
    widest = {.d = std::max(widest.d, lines[k].d), .m = std::min(widest.m, lines[k].m)};
  }
  AffineFit fit;
  const auto limit = static_cast<float>(spec.scale_max);
  fit.d = f16_scale(widest.d / limit);
  fit.dmin = f16_scale(-widest.m / limit);
  const float d = f16_to_f32(fit.d);
  const float dmin = f16_to_f32(fit.dmin);
  const UniformLevels levels{0.0F, static_cast<float>(spec.code_max)};
  for (size_t k = 0; k < spec.n_sub_blocks; ++k) {
    const auto values = sub_block(x, k, spec.n_sub_blocks);
    const auto [s, z] = choose_integers(values, levels, {lines[k], d, dmin, limit});
    fit.s[k] = static_cast<int>(s);
    fit.z[k] = static_cast<int>(z);
    const float inverse = reciprocal(d * s);
    for (size_t i = 0; i < values.size(); ++i) {
      fit.codes[k * values.size() + i] = levels.code((values[i] + dmin * z) * inverse);
    }
  }
  return fit;
}

// ---- packing; blocks.h describes the layouts. All fields start as zeros. ----

void set_bits(uint8_t& byte, int value, size_t shift) {
  byte = static_cast<uint8_t>(byte | value << shift);
}

void pack_crumbs(uint8_t (&qs)[64], const Codes256& codes, int shift) {
  for (size_t i = 0; i < kValues; ++i) {
    set_bits(qs[32 * (i / 128) + i % 32], (codes[i] >> shift) & 3, 2 * (i / 32 % 4));
  }
}

void pack_nibble_pairs(uint8_t (&qs)[128], const Codes256& codes) {
  for (size_t i = 0; i < kValues; ++i) {
    set_bits(qs[32 * (i / 64) + i % 32], codes[i] & 15, 4 * (i / 32 % 2));
  }
}

void pack_bit_plane(uint8_t (&bits)[32], const Codes256& codes, int shift) {
  for (size_t i = 0; i < kValues; ++i) {
    set_bits(bits[i % 32], (codes[i] >> shift) & 1, i / 32);
  }
}

void pack_k_scales(uint8_t (&scales)[12], const AffineFit& fit) {
  for (size_t k = 0; k < 4; ++k) {
    scales[k] = static_cast<uint8_t>(fit.s[k] | (fit.s[k + 4] >> 4) << 6);
    scales[k + 4] = static_cast<uint8_t>(fit.z[k] | (fit.z[k + 4] >> 4) << 6);
    scales[k + 8] = static_cast<uint8_t>((fit.s[k + 4] & 15) | (fit.z[k + 4] & 15) << 4);
  }
}

}  // namespace

void quantise_block(const float* x, BlockQ2K& block) {
  const AffineFit fit =
      fit_affine(SuperBlock(x, kValues), {.n_sub_blocks = 16, .code_max = 3, .scale_max = 15});
  block.d = fit.d;
  block.dmin = fit.dmin;
  for (size_t k = 0; k < 16; ++k) {
    block.scales[k] = static_cast<uint8_t>(fit.s[k] | fit.z[k] << 4);
  }
  pack_crumbs(block.qs, fit.codes, 0);
}

void quantise_block(const float* x, BlockQ3K& block) {
  const SymmetricFit fit = fit_symmetric(SuperBlock(x, kValues), UniformLevels{-4.0F, 3.0F},
                                         {.n_sub_blocks = 16, .scale_end = 32});
  block.d = fit.d;
  for (size_t k = 0; k < 16; ++k) {
    const int s = fit.s[k] + 32;
    set_bits(block.scales[k % 8], s & 15, 4 * (k / 8));
    set_bits(block.scales[8 + k % 4], s >> 4, 2 * (k / 4));
  }
  pack_crumbs(block.qs, fit.codes, 0);
  pack_bit_plane(block.hmask, fit.codes, 2);
}

void quantise_block(const float* x, BlockQ4K& block) {
  const AffineFit fit =
      fit_affine(SuperBlock(x, kValues), {.n_sub_blocks = 8, .code_max = 15, .scale_max = 63});
  block.d = fit.d;
  block.dmin = fit.dmin;
  pack_k_scales(block.scales, fit);
  pack_nibble_pairs(block.qs, fit.codes);
}

void quantise_block(const float* x, BlockQ5K& block) {
  const AffineFit fit =
      fit_affine(SuperBlock(x, kValues), {.n_sub_blocks = 8, .code_max = 31, .scale_max = 63});
  block.d = fit.d;
  block.dmin = fit.dmin;
  pack_k_scales(block.scales, fit);
  pack_nibble_pairs(block.qs, fit.codes);
  pack_bit_plane(block.qh, fit.codes, 4);
}

void quantise_block(const float* x, BlockQ6K& block) {
  const SymmetricFit fit = fit_symmetric(SuperBlock(x, kValues), UniformLevels{-32.0F, 31.0F},
                                         {.n_sub_blocks = 16, .scale_end = 128});
  block.d = fit.d;
  for (size_t k = 0; k < 16; ++k) {
    block.scales[k] = static_cast<int8_t>(fit.s[k]);
  }
  for (size_t i = 0; i < kValues; ++i) {
    set_bits(block.ql[64 * (i / 128) + i % 64], fit.codes[i] & 15, 4 * (i / 64 % 2));
  }
  pack_crumbs(block.qh, fit.codes, 4);
}

void quantise_block(const float* x, BlockIq4Xs& block) {
  const SymmetricFit fit = fit_symmetric(SuperBlock(x, kValues), CodebookLevels(kIq4Codebook),
                                         {.n_sub_blocks = 8, .scale_end = 32});
  block.d = fit.d;
  for (size_t k = 0; k < 8; ++k) {
    const int s = fit.s[k] + 32;
    set_bits(block.scales_l[k / 2], s & 15, 4 * (k % 2));
    block.scales_h = static_cast<uint16_t>(block.scales_h | (s >> 4) << (2 * k));
    for (size_t j = 0; j < 16; ++j) {
      block.qs[16 * k + j] =
          static_cast<uint8_t>(fit.codes[32 * k + j] | fit.codes[32 * k + j + 16] << 4);
    }
  }
}

}  // namespace quern
