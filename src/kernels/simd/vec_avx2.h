// Vec: 8 floats, for the kernels of this folder that are written once for every vector width.
// Only ISA files include this; everything has internal linkage.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#ifndef QUERN_INLINE
#define QUERN_INLINE [[gnu::always_inline]] static inline
#endif

namespace quern {
namespace {

struct Vec {
  static constexpr int kLanes = 8;
  static constexpr int kRegisters = 16;
  __m256 v;

  QUERN_INLINE Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  // Lanes from n on are zero; n may exceed the width.
  QUERN_INLINE Vec load_n(const float* p, size_t n) {
    return n >= kLanes ? load(p) : Vec{_mm256_maskload_ps(p, mask(n))};
  }
  QUERN_INLINE Vec load_f16(const uint16_t* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  QUERN_INLINE Vec load_i8(const int8_t* p) {
    return {_mm256_cvtepi32_ps(
        _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))))};
  }
  QUERN_INLINE Vec set1(float x) { return {_mm256_set1_ps(x)}; }
  QUERN_INLINE Vec zero() { return {_mm256_setzero_ps()}; }

  void store(float* p) const { _mm256_storeu_ps(p, v); }
  void store_n(float* p, size_t n) const {
    if (n >= kLanes) {
      store(p);
    } else {
      _mm256_maskstore_ps(p, mask(n), v);
    }
  }
  void store_f16(uint16_t* p) const {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  // Rounds to nearest even; values must fit.
  void store_i8(int8_t* p) const {
    const __m256i whole = _mm256_cvtps_epi32(v);
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
  }

  friend Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
  QUERN_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
  QUERN_INLINE Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
  QUERN_INLINE Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
  QUERN_INLINE Vec abs(Vec a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0F), a.v)}; }
  QUERN_INLINE Vec round(Vec a) {
    return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  // 2^n for whole n in -126 .. 127.
  QUERN_INLINE Vec power_of_two(Vec n) {
    const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(biased, 23))};
  }
  // a where x < limit (false for NaN), else b.
  QUERN_INLINE Vec if_less(Vec x, Vec limit, Vec a, Vec b) {
    return {_mm256_blendv_ps(b.v, a.v, _mm256_cmp_ps(x.v, limit.v, _CMP_LT_OQ))};
  }
  // `inside` in lanes [from, to), which may lie outside the register, else `outside`.
  QUERN_INLINE Vec lanes_between(int64_t from, int64_t to, Vec inside, Vec outside) {
    const __m256i upto = mask(to <= 0 ? 0 : static_cast<size_t>(to));
    const __m256i before = mask(from <= 0 ? 0 : static_cast<size_t>(from));
    const __m256i within = _mm256_andnot_si256(before, upto);
    return {_mm256_blendv_ps(outside.v, inside.v, _mm256_castsi256_ps(within))};
  }
  // Fixed trees, so equal input gives equal bits everywhere.
  float sum() const {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }
  float max() const {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
  }

 private:
  QUERN_INLINE __m256i mask(size_t n) {
    const auto lanes = static_cast<int>(n < kLanes ? n : kLanes);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

}  // namespace
}  // namespace quern
