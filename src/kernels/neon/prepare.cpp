// Activations made ready for matmul: quantised to 8 bits in blocks of 32, or laid out as floats, in
// groups of kTileTokens tokens side by side.
#include "kernels/neon/registers.h"
#include "kernels/neon/tables.h"

namespace quern::neon {
namespace {

// Where a token's numbers go: its group's base, the group's size and its place in it.
struct Place {
  size_t group;
  size_t n_tokens;
  size_t index;
};

Place place_of(const PrepareArgs& args, uint32_t token) {
  const uint32_t group = token / kTileTokens * kTileTokens;
  const uint32_t left = args.n_tokens - group;
  return {group, left < kTileTokens ? left : kTileTokens, token - group};
}

constexpr float kFiner = 254.0F;  // what rounding leaves over is at most half a step: 127 of these

// The 32 numbers of a block.
struct Codes {
  int32x4_t v[8];
};

int32_t sum_of_16(const int32x4_t* q) {
  return vaddvq_s32(vaddq_s32(vaddq_s32(q[0], q[1]), vaddq_s32(q[2], q[3])));
}

// Writes a block's codes (whole numbers in -127 .. 127), scale and sums to a token's place.
void store_block(const PrepareArgs& args, const Place& at, size_t block, const Codes& codes,
                 float scale) {
  const size_t n_columns = args.n_columns;
  int8_t* out = args.out.codes + at.group * n_columns + block * 32 * at.n_tokens + at.index * 4;
  for (size_t j = 0; j < 8; ++j) {
    const int16x4_t words = vqmovn_s32(codes.v[j]);
    const int8x8_t bytes = vqmovn_s16(vcombine_s16(words, words));
    __builtin_memcpy(out + j * 4 * at.n_tokens, &bytes, 4);
  }
  args.out.scales[at.group * n_columns / 32 + block * at.n_tokens + at.index] = scale;
  int32_t* sums = args.out.sums + at.group * n_columns / 16 + block * 2 * at.n_tokens + at.index;
  sums[0] = sum_of_16(codes.v);
  sums[at.n_tokens] = sum_of_16(codes.v + 4);
}

// 32 columns: scale = max |x| / 127, codes rounded to nearest even. A NaN anywhere makes the scale
// NaN, an infinity makes it infinite, so that neither is lost.
void quantise_block(const float* x, const PrepareArgs& args, const Place& at, size_t block) {
  float32x4_t v[8];
  float32x4_t largest = vdupq_n_f32(0);
  for (int i = 0; i < 8; ++i) {
    v[i] = vld1q_f32(x + size_t{4} * static_cast<size_t>(i));
    largest = vmaxq_f32(largest, vabsq_f32(v[i]));  // NaN where either is
  }
  const float max = vmaxvq_f32(largest);
  // Below the smallest normal number 127 / max could overflow; such a block is zero for all
  // purposes. No comparison with a NaN holds.
  const bool usable = max >= 1e-30F && max <= 3e38F;
  const float scale = max / 127.0F;
  const float inverse = usable ? 127.0F / max : 0.0F;
  // Codes of a block with a NaN or an infinity must stay within -127 .. 127 too.
  const int32x4_t keep = vdupq_n_s32(usable ? -1 : 0);
  Codes q;
  for (int i = 0; i < 8; ++i) {
    q.v[i] = vandq_s32(vcvtnq_s32_f32(vmulq_n_f32(v[i], inverse)), keep);
  }
  store_block(args, at, block, q, scale);
  if (!args.paired) {
    return;
  }
  const float32x4_t step = vdupq_n_f32(scale);
  Codes fine;
  for (int i = 0; i < 8; ++i) {
    const float32x4_t rest = vfmsq_f32(v[i], vcvtq_f32_s32(q.v[i]), step);
    const int32x4_t code = vandq_s32(vcvtnq_s32_f32(vmulq_n_f32(rest, inverse * kFiner)), keep);
    // Rounding in `rest` may reach one step too far.
    fine.v[i] = vmaxq_s32(vminq_s32(code, vdupq_n_s32(127)), vdupq_n_s32(-127));
  }
  store_block(args, {at.group, at.n_tokens, at.index + 1}, block, fine, scale / kFiner);
}

}  // namespace

void prepare_codes(const PrepareArgs& args) {
  const uint32_t rows_per_token = args.paired ? 2 : 1;
  for (uint32_t token = args.first_token; token < args.last_token; token += rows_per_token) {
    const float* x = args.x + token / rows_per_token * args.x_stride;
    const Place at = place_of(args, token);
    for (size_t block = 0; block < args.n_columns / 32; ++block) {
      quantise_block(x + block * 32, args, at, block);
    }
  }
}

void prepare_floats(const PrepareArgs& args) {
  for (uint32_t token = args.first_token; token < args.last_token; ++token) {
    const float* x = args.x + token * args.x_stride;
    const Place at = place_of(args, token);
    float* out = args.out.floats + at.group * args.n_columns + at.index;
    for (size_t k = 0; k < args.n_columns; ++k) {
      out[k * at.n_tokens] = x[k];
    }
  }
}

}  // namespace quern::neon
