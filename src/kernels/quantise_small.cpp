// Encoders of the formats with 32 values a block.
#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "kernels/quantise_blocks.h"
#include "kernels/quantise_fit.h"
#include "tensor/half.h"

namespace quern {
namespace {

using Codes32 = std::array<int, 32>;

// Stores `d` as f16 and returns the value that a decoder will see.
float store_scale(float d, uint16_t& bits) {
  bits = f16_scale(d);
  return f16_to_f32(bits);
}

// Low 4 bits: byte j holds codes j and j + 16.
void pack_nibbles(const Codes32& codes, uint8_t (&qs)[16]) {
  for (size_t j = 0; j < 16; ++j) {
    qs[j] = static_cast<uint8_t>((codes[j] & 15) | (codes[j + 16] & 15) << 4);
  }
}

// Bit 4 of each code.
void pack_fifth_bits(const Codes32& codes, uint8_t (&qh)[4]) {
  for (size_t i = 0; i < 32; ++i) {
    qh[i / 8] = static_cast<uint8_t>(qh[i / 8] | ((codes[i] >> 4) & 1) << (i % 8));
  }
}

// Codes 0..(hi - lo) of a symmetric format, with its scale stored in `d`.
Codes32 symmetric_codes(std::span<const float, 32> x, const UniformLevels& levels, uint16_t& d) {
  const float inverse = reciprocal(store_scale(fit_scale(x, levels), d));
  Codes32 codes{};
  for (size_t i = 0; i < 32; ++i) {
    codes[i] = levels.code(x[i] * inverse);
  }
  return codes;
}

struct StoredLine {
  uint16_t& d;
  uint16_t& m;
};

// Codes 0..code_max of a format with an offset, with its line stored in `stored`.
Codes32 affine_codes(std::span<const float, 32> x, int code_max, StoredLine stored) {
  const Line line = fit_line(x, {.code_max = code_max, .storage = LineStorage::f16});
  const float inverse = reciprocal(store_scale(line.d, stored.d));
  stored.m = f32_to_f16(line.m);
  const float m = f16_to_f32(stored.m);
  const UniformLevels levels{0.0F, static_cast<float>(code_max)};
  Codes32 codes{};
  for (size_t i = 0; i < 32; ++i) {
    codes[i] = levels.code((x[i] - m) * inverse);
  }
  return codes;
}

// The E2M1 code nearest to v, from the doubled codebook.
int mxfp4_code(double v) {
  int magnitude = 0;
  for (int q = 0; q < 7; ++q) {
    magnitude += 2.0 * std::abs(v) > kMxfp4Codebook[q] + kMxfp4Codebook[q + 1] ? 1 : 0;
  }
  return v < 0.0 && magnitude > 0 ? magnitude | 8 : magnitude;
}

struct Mxfp4Trial {
  Codes32 codes{};
  double error = 0.0;
};

Mxfp4Trial try_mxfp4(std::span<const float, 32> x, int e) {
  const double scale = std::ldexp(1.0, e - 128);
  Mxfp4Trial trial;
  for (size_t i = 0; i < 32; ++i) {
    const double v = static_cast<double>(x[i]) / scale;
    trial.codes[i] = mxfp4_code(v);
    const double error = (v - kMxfp4Codebook[trial.codes[i]]) * scale;
    trial.error += error * error;
  }
  return trial;
}

}  // namespace

void quantise_block(const float* x, BlockQ40& block) {
  pack_nibbles(symmetric_codes(std::span<const float, 32>(x, 32), {-8.0F, 7.0F}, block.d),
               block.qs);
}

void quantise_block(const float* x, BlockQ41& block) {
  pack_nibbles(affine_codes(std::span<const float, 32>(x, 32), 15, {block.d, block.m}), block.qs);
}

void quantise_block(const float* x, BlockQ50& block) {
  const Codes32 codes =
      symmetric_codes(std::span<const float, 32>(x, 32), {-16.0F, 15.0F}, block.d);
  pack_nibbles(codes, block.qs);
  pack_fifth_bits(codes, block.qh);
}

void quantise_block(const float* x, BlockQ51& block) {
  const Codes32 codes = affine_codes(std::span<const float, 32>(x, 32), 31, {block.d, block.m});
  pack_nibbles(codes, block.qs);
  pack_fifth_bits(codes, block.qh);
}

// With 255 levels a search gains little: the largest value maps to the end of the range.
void quantise_block(const float* x, BlockQ80& block) {
  float peak = 0.0F;
  for (size_t i = 0; i < 32; ++i) {
    peak = std::max(peak, std::abs(x[i]));
  }
  const float inverse = reciprocal(store_scale(peak / 127.0F, block.d));
  constexpr UniformLevels levels{-127.0F, 127.0F};
  for (size_t i = 0; i < 32; ++i) {
    block.qs[i] = static_cast<int8_t>(levels.nearest(x[i] * inverse));
  }
}

void quantise_block(const float* x, BlockIq4Nl& block) {
  const CodebookLevels levels(kIq4Codebook);
  const float d = fit_scale(std::span<const float>(x, 32), levels);
  const float inverse = reciprocal(store_scale(d, block.d));
  Codes32 codes{};
  for (size_t i = 0; i < 32; ++i) {
    codes[i] = levels.code(x[i] * inverse);
  }
  pack_nibbles(codes, block.qs);
}

// The scale is a power of two, so two exponents are worth trying: the least that reaches the
// largest value, and the one below, which clips it.
void quantise_block(const float* x, BlockMxfp4& block) {
  const std::span<const float, 32> values(x, 32);
  float peak = 0.0F;
  for (const float v : values) {
    peak = std::max(peak, std::abs(v));
  }
  if (peak == 0.0F) {
    return;
  }
  // peak / 2^(e - 128) <= 12, the codebook's end.
  const int reaching = 128 + static_cast<int>(std::ceil(std::log2(static_cast<double>(peak) / 12)));
  const int e = std::clamp(reaching, 1, 254);
  const Mxfp4Trial wide = try_mxfp4(values, e);
  const Mxfp4Trial narrow = try_mxfp4(values, e - 1);
  const bool use_narrow = narrow.error < wide.error;
  block.e = static_cast<uint8_t>(use_narrow ? e - 1 : e);
  pack_nibbles(use_narrow ? narrow.codes : wide.codes, block.qs);
}

}  // namespace quern
