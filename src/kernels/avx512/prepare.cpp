// Activations made ready for matmul: quantised to 8 bits in blocks of 32, or laid out as floats, in
// groups of kTileTokens tokens side by side.
#include <immintrin.h>

#include "kernels/avx512/tables.h"

namespace quern::avx512 {
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

int32_t sum_of(__m512i codes) {
  return _mm512_reduce_add_epi32(codes);
}

// Writes a block's codes (whole numbers in -127 .. 127), scale and sums to a token's place.
void store_block(const PrepareArgs& args, const Place& at, size_t block, __m512i low, __m512i high,
                 float scale) {
  alignas(32) int8_t codes[32];
  _mm_store_si128(reinterpret_cast<__m128i*>(codes), _mm512_cvtepi32_epi8(low));
  _mm_store_si128(reinterpret_cast<__m128i*>(codes + 16), _mm512_cvtepi32_epi8(high));
  const size_t n_columns = args.n_columns;
  int8_t* out = args.out.codes + at.group * n_columns + block * 32 * at.n_tokens + at.index * 4;
  for (size_t j = 0; j < 8; ++j) {
    __builtin_memcpy(out + j * 4 * at.n_tokens, codes + 4 * j, 4);
  }
  args.out.scales[at.group * n_columns / 32 + block * at.n_tokens + at.index] = scale;
  int32_t* sums = args.out.sums + at.group * n_columns / 16 + block * 2 * at.n_tokens + at.index;
  sums[0] = sum_of(low);
  sums[at.n_tokens] = sum_of(high);
}

// 32 columns: scale = max |x| / 127, codes rounded to nearest even. A NaN anywhere makes the scale
// NaN, an infinity makes it infinite, so that neither is lost.
void quantise_block(const float* x, const PrepareArgs& args, const Place& at, size_t block) {
  const __m512 low = _mm512_loadu_ps(x);
  const __m512 high = _mm512_loadu_ps(x + 16);
  const float max = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
  const bool has_nan = _mm512_cmp_ps_mask(low, high, _CMP_UNORD_Q) != 0;
  const float scale = has_nan ? __builtin_nanf("") : max / 127.0F;
  // Below the smallest normal number 127 / max could overflow; such a block is zero for all
  // purposes.
  const __m512 inverse = _mm512_set1_ps(max >= 1e-30F && max <= 3e38F ? 127.0F / max : 0.0F);
  const __m512i q_low = _mm512_cvtps_epi32(_mm512_mul_ps(low, inverse));
  const __m512i q_high = _mm512_cvtps_epi32(_mm512_mul_ps(high, inverse));
  store_block(args, at, block, q_low, q_high, scale);
  if (!args.paired) {
    return;
  }
  const __m512 step = _mm512_set1_ps(scale);
  const __m512 finer = _mm512_mul_ps(inverse, _mm512_set1_ps(kFiner));
  const auto left_over = [&](__m512 value, __m512i code) {
    const __m512 rest = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(code), step, value);
    const __m512i fine = _mm512_cvtps_epi32(_mm512_mul_ps(rest, finer));
    // Rounding in `rest` may reach one step too far.
    return _mm512_min_epi32(_mm512_max_epi32(fine, _mm512_set1_epi32(-127)),
                            _mm512_set1_epi32(127));
  };
  store_block(args, {at.group, at.n_tokens, at.index + 1}, block, left_over(low, q_low),
              left_over(high, q_high), scale / kFiner);
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

}  // namespace quern::avx512
