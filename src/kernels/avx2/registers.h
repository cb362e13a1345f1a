// Loads and masks that the AVX2 files share. Only ISA files include this; everything has internal
// linkage.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#define QUERN_INLINE [[gnu::always_inline]] static inline

namespace quern {
namespace {  // NOLINT: internal linkage is what keeps ISA code out of baseline objects

constexpr int kPanelRows = 8;
constexpr int kPairRows = 2 * kPanelRows;

// All ones in the first n lanes; n may exceed the width or be negative.
QUERN_INLINE __m256i first_lanes(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

// Hides from the compiler how `v` came about. It would otherwise regroup long integer sums, hold
// every product until the end and spill them all.
QUERN_INLINE void settle(__m256i& v) {
  asm("" : "+x"(v));
}
QUERN_INLINE void settle(__m256& v) {
  asm("" : "+x"(v));
}

// The first n lanes, of which there may be more than fit. Masked stores are slow, so whole
// registers go without.
QUERN_INLINE __m256 load_floats(const float* from, int n) {
  return n >= kPanelRows ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, first_lanes(n));
}
QUERN_INLINE void store_floats(float* to, int n, __m256 value) {
  if (n >= kPanelRows) {
    _mm256_storeu_ps(to, value);
  } else {
    _mm256_maskstore_ps(to, first_lanes(n), value);
  }
}

QUERN_INLINE __m256i load256(const uint8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
QUERN_INLINE __m256 load_f16(const uint8_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
QUERN_INLINE __m256i load_u8_as_i32(const uint8_t* p) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
QUERN_INLINE __m256i load_i8_as_i32(const uint8_t* p) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}

}  // namespace
}  // namespace quern
