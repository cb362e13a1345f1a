// Vec: 16 floats, for the kernels of this folder that are written once for every vector width.
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
  static constexpr int kLanes = 16;
  static constexpr int kRegisters = 32;
  __m512 v;

  QUERN_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  // Lanes from n on are zero; n may exceed the width.
  QUERN_INLINE Vec load_n(const float* p, size_t n) { return {_mm512_maskz_loadu_ps(mask(n), p)}; }
  QUERN_INLINE Vec load_f16(const uint16_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  QUERN_INLINE Vec load_i8(const int8_t* p) {
    return {_mm512_cvtepi32_ps(
        _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
  }
  QUERN_INLINE Vec set1(float x) { return {_mm512_set1_ps(x)}; }
  QUERN_INLINE Vec zero() { return {_mm512_setzero_ps()}; }

  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store_n(float* p, size_t n) const { _mm512_mask_storeu_ps(p, mask(n), v); }
  void store_f16(uint16_t* p) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  // Rounds to nearest even; values must fit.
  void store_i8(int8_t* p) const {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
  }

  friend Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
  QUERN_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  QUERN_INLINE Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
  QUERN_INLINE Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
  QUERN_INLINE Vec abs(Vec a) { return {_mm512_abs_ps(a.v)}; }
  QUERN_INLINE Vec round(Vec a) {
    return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
  }
  // 2^n for whole n in -126 .. 127.
  QUERN_INLINE Vec power_of_two(Vec n) {
    const __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(biased, 23))};
  }
  // a where x < limit (false for NaN), else b.
  QUERN_INLINE Vec if_less(Vec x, Vec limit, Vec a, Vec b) {
    return {_mm512_mask_mov_ps(b.v, _mm512_cmp_ps_mask(x.v, limit.v, _CMP_LT_OQ), a.v)};
  }
  // `inside` in lanes [from, to), which may lie outside the register, else `outside`.
  QUERN_INLINE Vec lanes_between(int64_t from, int64_t to, Vec inside, Vec outside) {
    const __mmask16 upto = to <= 0 ? __mmask16{0} : mask(static_cast<size_t>(to));
    const __mmask16 before = from <= 0 ? __mmask16{0} : mask(static_cast<size_t>(from));
    return {_mm512_mask_mov_ps(outside.v, static_cast<__mmask16>(upto & ~before), inside.v)};
  }
  // Fixed trees, so equal input gives equal bits everywhere.
  float sum() const { return _mm512_reduce_add_ps(v); }
  float max() const { return _mm512_reduce_max_ps(v); }

 private:
  QUERN_INLINE __mmask16 mask(size_t n) {
    return static_cast<__mmask16>(n >= 16 ? 0xFFFFU : (1U << n) - 1U);
  }
};

}  // namespace
}  // namespace quern
