// Activations made ready for matmul: quantised to 8 bits in blocks of 32, or laid out as floats, in
// groups of kTileTokens tokens side by side.
#include "kernels/avx2/registers.h"
#include "kernels/avx2/tables.h"

namespace quern::avx2 {
namespace {

// Where a token's numbers go: its group's base, the group's size and its place in it.
struct Place {
  size_t group;
  size_t n_tokens;
  size_t index;
};

// Of `n` tokens.
Place place_of(uint32_t n, uint32_t token) {
  const uint32_t group = token / kTileTokens * kTileTokens;
  const uint32_t left = n - group;
  return {group, left < kTileTokens ? left : kTileTokens, token - group};
}

float max_of(__m256 v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

int32_t sum_of(__m256i v) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

constexpr float kFiner = 254.0F;  // what rounding leaves over is at most half a step: 127 of these

void store_scale(const PrepareArgs& args, const Place& at, size_t block, float scale) {
  args.out.scales[at.group * args.n_columns / 32 + block * at.n_tokens + at.index] = scale;
}

void store_sums(const PrepareArgs& args, const Place& at, size_t block, const __m256i (&q)[4]) {
  int32_t* sums =
      args.out.sums + at.group * args.n_columns / 16 + block * 2 * at.n_tokens + at.index;
  sums[0] = sum_of(_mm256_add_epi32(q[0], q[1]));
  sums[at.n_tokens] = sum_of(_mm256_add_epi32(q[2], q[3]));
}

// Writes a block's codes (whole numbers in -127 .. 127), scale and sums to a token's place.
void store_block(const PrepareArgs& args, const Place& at, size_t block, const __m256i (&q)[4],
                 float scale) {
  // Packing works within halves of registers, which leaves groups of 4 columns to be put in order.
  const __m256i low = _mm256_packs_epi32(q[0], q[1]);
  const __m256i high = _mm256_packs_epi32(q[2], q[3]);
  const __m256i packed = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high),
                                                     _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  const size_t n_columns = args.n_columns;
  alignas(32) int8_t codes[32];
  _mm256_store_si256(reinterpret_cast<__m256i*>(codes), packed);
  int8_t* out = args.out.codes + at.group * n_columns + block * 32 * at.n_tokens + at.index * 4;
  for (size_t j = 0; j < 8; ++j) {
    __builtin_memcpy(out + j * 4 * at.n_tokens, codes + 4 * j, 4);
  }
  store_scale(args, at, block, scale);
  store_sums(args, at, block, q);
}

// The same of codes of 15 bits: in groups of kTileTokens whole tokens, at g * n_columns 16-bit
// codes [n_columns / 4][T][4], of columns 0, 2, 1 and 3.
void store_wide_block(const PrepareArgs& args, const Place& at, size_t block, const __m256i (&q)[4],
                      float scale) {
  alignas(32) int16_t codes[32];
  for (int i = 0; i < 2; ++i) {
    const __m256i packed =
        _mm256_permute4x64_epi64(_mm256_packs_epi32(q[2 * i], q[2 * i + 1]), 0xD8);
    const __m256i ordered = _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(packed, 0xD8), 0xD8);
    _mm256_store_si256(reinterpret_cast<__m256i*>(codes) + i, ordered);
  }
  int8_t* out =
      args.out.codes + 2 * (at.group * args.n_columns + block * 32 * at.n_tokens + at.index * 4);
  for (size_t j = 0; j < 8; ++j) {
    __builtin_memcpy(out + j * 8 * at.n_tokens, codes + 4 * j, 8);
  }
  store_scale(args, at, block, scale);
  store_sums(args, at, block, q);
}

// 32 columns: scale = max |x| / 127, codes rounded to nearest even. A NaN anywhere makes the scale
// NaN, an infinity makes it infinite, so that neither is lost.
void quantise_block(const float* x, const PrepareArgs& args, const Place& at, size_t block) {
  const __m256 sign = _mm256_set1_ps(-0.0F);
  __m256 v[4];
  __m256 largest = _mm256_setzero_ps();
  __m256 unordered = _mm256_setzero_ps();
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_loadu_ps(x + size_t{8} * static_cast<size_t>(i));
    largest = _mm256_max_ps(largest, _mm256_andnot_ps(sign, v[i]));
    unordered = _mm256_or_ps(unordered, _mm256_cmp_ps(v[i], v[i], _CMP_UNORD_Q));
  }
  const float max = max_of(largest);
  const bool has_nan = _mm256_movemask_ps(unordered) != 0;
  // Below the smallest normal number 127 / max could overflow; such a block is zero for all
  // purposes.
  const bool usable = !has_nan && max >= 1e-30F && max <= 3e38F;
  const float scale = has_nan ? __builtin_nanf("") : max / 127.0F;
  const __m256 inverse = _mm256_set1_ps(usable ? 127.0F / max : 0.0F);
  // Codes of a block with a NaN or an infinity must stay within -127 .. 127 too.
  const __m256i keep = _mm256_set1_epi32(usable ? -1 : 0);
  __m256i q[4];
  for (int i = 0; i < 4; ++i) {
    q[i] = _mm256_and_si256(_mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse)), keep);
  }
  if (!args.paired) {
    store_block(args, at, block, q, scale);
    return;
  }
  const __m256 step = _mm256_set1_ps(scale);
  const __m256 finer = _mm256_mul_ps(inverse, _mm256_set1_ps(kFiner));
  for (int i = 0; i < 4; ++i) {
    const __m256 rest = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(q[i]), step, v[i]);
    const __m256i code = _mm256_and_si256(_mm256_cvtps_epi32(_mm256_mul_ps(rest, finer)), keep);
    // Rounding in `rest` may reach one step too far.
    const __m256i fine =
        _mm256_min_epi32(_mm256_max_epi32(code, _mm256_set1_epi32(-127)), _mm256_set1_epi32(127));
    q[i] = _mm256_add_epi32(_mm256_mullo_epi32(q[i], _mm256_set1_epi32(static_cast<int>(kFiner))),
                            fine);
  }
  store_wide_block(args, at, block, q, scale / kFiner);
}

}  // namespace

void prepare_codes(const PrepareArgs& args) {
  const uint32_t rows_per_token = args.paired ? 2 : 1;
  const uint32_t n = args.n_tokens / rows_per_token;
  for (uint32_t token = args.first_token / rows_per_token; token < args.last_token / rows_per_token;
       ++token) {
    const float* x = args.x + token * args.x_stride;
    const Place at = place_of(n, token);
    for (size_t block = 0; block < args.n_columns / 32; ++block) {
      quantise_block(x + block * 32, args, at, block);
    }
  }
}

void prepare_floats(const PrepareArgs& args) {
  for (uint32_t token = args.first_token; token < args.last_token; ++token) {
    const float* x = args.x + token * args.x_stride;
    const Place at = place_of(args.n_tokens, token);
    float* out = args.out.floats + at.group * args.n_columns + at.index;
    for (size_t k = 0; k < args.n_columns; ++k) {
      out[k * at.n_tokens] = x[k];
    }
  }
}

}  // namespace quern::avx2
