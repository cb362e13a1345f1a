// AVX-512 intrinsics made of AVX2, FMA and F16C instructions, so that the sources of
// src/kernels/avx512/ run where the CPU has no AVX-512. This folder stands before the compiler's
// own on the include path of those sources, in the build of `make avx512` and in no other. Most
// names are SIMDe's; below are those that its version 0.7.4 lacks, or that differ there from the
// instruction. Semantics are those of Intel's Intrinsics Guide. Lanes count from the lowest bits.
#pragma once

#include_next <immintrin.h>

#if defined(__AVX512F__)
#error "Instructions of AVX-512 are on; expected AVX2, FMA and F16C only"
#endif

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <cstddef>
#include <cstdint>

#define EMULATED [[gnu::always_inline]] static inline

namespace emulated_avx512 {

struct FloatHalves {
  __m256 low;
  __m256 high;
};
struct IntHalves {
  __m256i low;
  __m256i high;
};

template <class To, class From>
EMULATED To same_bits(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof(to));
  return to;
}
EMULATED FloatHalves halves(__m512 a) {
  return same_bits<FloatHalves>(a);
}
EMULATED IntHalves halves(__m512i a) {
  return same_bits<IntHalves>(a);
}
EMULATED __m512 join(__m256 low, __m256 high) {
  return same_bits<__m512>(FloatHalves{low, high});
}
EMULATED __m512i join(__m256i low, __m256i high) {
  return same_bits<__m512i>(IntHalves{low, high});
}

// All ones in the lanes whose bit of `mask` is set.
EMULATED __m256i lanes_of(unsigned mask) {
  const __m256i bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i set = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(mask)), bits);
  return _mm256_cmpeq_epi32(set, bits);
}
EMULATED unsigned mask_of(__m256i lanes) {
  return static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(lanes)));
}

// ---- Memory. The instructions fault at an address that is no multiple of 64; SIMDe does not. ----

EMULATED void require_aligned(const void* p) {
  if (reinterpret_cast<uintptr_t>(p) % 64 != 0) {
    __builtin_trap();
  }
}
EMULATED __m512 load_ps(const void* p) {
  require_aligned(p);
  return simde_mm512_loadu_ps(p);
}
EMULATED __m512i load_si512(const void* p) {
  require_aligned(p);
  return simde_mm512_loadu_si512(p);
}
EMULATED void store_ps(void* p, __m512 a) {
  require_aligned(p);
  simde_mm512_storeu_ps(p, a);
}
EMULATED void store_si512(void* p, __m512i a) {
  require_aligned(p);
  simde_mm512_storeu_si512(p, a);
}
// Lanes outside the mask are neither read nor written, so that they cannot fault.
EMULATED __m512 maskz_loadu_ps(__mmask16 mask, const void* p) {
  const auto* floats = static_cast<const float*>(p);
  return join(_mm256_maskload_ps(floats, lanes_of(mask & 0xFFU)),
              _mm256_maskload_ps(floats + 8, lanes_of(mask >> 8U)));
}
EMULATED void mask_storeu_ps(void* p, __mmask16 mask, __m512 a) {
  auto* floats = static_cast<float*>(p);
  const FloatHalves h = halves(a);
  _mm256_maskstore_ps(floats, lanes_of(mask & 0xFFU), h.low);
  _mm256_maskstore_ps(floats + 8, lanes_of(mask >> 8U), h.high);
}

// ---- Conversions ----

EMULATED __m512i cvtps_epi32(__m512 a) {
  const FloatHalves h = halves(a);
  return join(_mm256_cvtps_epi32(h.low), _mm256_cvtps_epi32(h.high));
}
EMULATED __m512 cvtepi32_ps(__m512i a) {
  const IntHalves h = halves(a);
  return join(_mm256_cvtepi32_ps(h.low), _mm256_cvtepi32_ps(h.high));
}
EMULATED __m512i cvtepi8_epi32(__m128i a) {
  return join(_mm256_cvtepi8_epi32(a), _mm256_cvtepi8_epi32(_mm_unpackhi_epi64(a, a)));
}
EMULATED __m512i cvtepu8_epi32(__m128i a) {
  return join(_mm256_cvtepu8_epi32(a), _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(a, a)));
}
EMULATED __m512i cvtepu16_epi32(__m256i a) {
  return join(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(a)),
              _mm256_cvtepu16_epi32(_mm256_extracti128_si256(a, 1)));
}
// The lowest byte of each lane: truncated, not saturated.
EMULATED __m128i cvtepi32_epi8(__m512i a) {
  uint32_t lanes[16];
  uint8_t bytes[16];
  __builtin_memcpy(lanes, &a, sizeof(lanes));
  for (size_t i = 0; i < 16; ++i) {
    bytes[i] = static_cast<uint8_t>(lanes[i]);
  }
  return same_bits<__m128i>(bytes);
}
EMULATED __m512 cvtph_ps(__m256i a) {
  return join(_mm256_cvtph_ps(_mm256_castsi256_si128(a)),
              _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1)));
}
template <int kRounding>
EMULATED __m256i cvtps_ph(__m512 a) {
  const FloatHalves h = halves(a);
  return _mm256_set_m128i(_mm256_cvtps_ph(h.high, kRounding & 7),
                          _mm256_cvtps_ph(h.low, kRounding & 7));
}
// To whole numbers only; the upper bits of the operand would keep digits behind the point.
template <int kRounding>
EMULATED __m512 roundscale_ps(__m512 a) {
  static_assert(kRounding >> 4 == 0);
  const FloatHalves h = halves(a);
  return join(_mm256_round_ps(h.low, kRounding), _mm256_round_ps(h.high, kRounding));
}

// ---- Arithmetic ----

// Clears the sign of every number, of zeros and NaN too.
EMULATED __m512 abs_ps(__m512 a) {
  const FloatHalves h = halves(a);
  const __m256 sign = _mm256_set1_ps(-0.0F);
  return join(_mm256_andnot_ps(sign, h.low), _mm256_andnot_ps(sign, h.high));
}
// Even and odd bytes become 16-bit numbers of their own, so that no pair's sum saturates.
EMULATED __m256i dot_of_bytes(__m256i sum, __m256i a, __m256i b) {
  const __m256i even = _mm256_madd_epi16(_mm256_and_si256(a, _mm256_set1_epi16(0xFF)),
                                         _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
  const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(b, 8));
  return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}
// Bytes of a have no sign, those of b have one; sums wrap.
EMULATED __m512i dpbusd_epi32(__m512i sum, __m512i a, __m512i b) {
  const IntHalves s = halves(sum);
  const IntHalves x = halves(a);
  const IntHalves y = halves(b);
  return join(dot_of_bytes(s.low, x.low, y.low), dot_of_bytes(s.high, x.high, y.high));
}
EMULATED __mmask16 cmplt_epi32_mask(__m512i a, __m512i b) {
  const IntHalves x = halves(a);
  const IntHalves y = halves(b);
  return static_cast<__mmask16>(mask_of(_mm256_cmpgt_epi32(y.low, x.low)) |
                                mask_of(_mm256_cmpgt_epi32(y.high, x.high)) << 8U);
}

// ---- Reductions: the upper half onto the lower, until one lane is left ----

EMULATED float reduce_add_ps(__m512 a) {
  float lanes[16];
  __builtin_memcpy(lanes, &a, sizeof(lanes));
  for (size_t n = 8; n > 0; n /= 2) {
    for (size_t i = 0; i < n; ++i) {
      lanes[i] = lanes[i + n] + lanes[i];
    }
  }
  return lanes[0];
}
EMULATED float reduce_max_ps(__m512 a) {
  float lanes[16];
  __builtin_memcpy(lanes, &a, sizeof(lanes));
  for (size_t n = 8; n > 0; n /= 2) {
    for (size_t i = 0; i < n; ++i) {
      // The second operand unless the first is greater: what the instruction does with a NaN.
      lanes[i] = lanes[i + n] > lanes[i] ? lanes[i + n] : lanes[i];
    }
  }
  return lanes[0];
}
EMULATED int reduce_add_epi32(__m512i a) {
  uint32_t lanes[16];
  __builtin_memcpy(lanes, &a, sizeof(lanes));
  uint32_t sum = 0;
  for (const uint32_t lane : lanes) {
    sum += lane;
  }
  return static_cast<int>(sum);
}

}  // namespace emulated_avx512

#undef EMULATED

// The compiler declares some of these as functions, some as macros, and SIMDe as macros.
#undef _mm512_load_ps
#undef _mm512_load_si512
#undef _mm512_store_ps
#undef _mm512_store_si512
#undef _mm512_maskz_loadu_ps
#undef _mm512_mask_storeu_ps
#undef _mm512_cvtps_epi32
#undef _mm512_cvtepi32_ps
#undef _mm512_cvtepi8_epi32
#undef _mm512_cvtepu8_epi32
#undef _mm512_cvtepu16_epi32
#undef _mm512_cvtepi32_epi8
#undef _mm512_cvtph_ps
#undef _mm512_cvtps_ph
#undef _mm512_roundscale_ps
#undef _mm512_abs_ps
#undef _mm512_dpbusd_epi32
#undef _mm512_cmplt_epi32_mask
#undef _mm512_reduce_add_ps
#undef _mm512_reduce_max_ps
#undef _mm512_reduce_add_epi32
#define _mm512_load_ps emulated_avx512::load_ps
#define _mm512_load_si512 emulated_avx512::load_si512
#define _mm512_store_ps emulated_avx512::store_ps
#define _mm512_store_si512 emulated_avx512::store_si512
#define _mm512_maskz_loadu_ps emulated_avx512::maskz_loadu_ps
#define _mm512_mask_storeu_ps emulated_avx512::mask_storeu_ps
#define _mm512_cvtps_epi32 emulated_avx512::cvtps_epi32
#define _mm512_cvtepi32_ps emulated_avx512::cvtepi32_ps
#define _mm512_cvtepi8_epi32 emulated_avx512::cvtepi8_epi32
#define _mm512_cvtepu8_epi32 emulated_avx512::cvtepu8_epi32
#define _mm512_cvtepu16_epi32 emulated_avx512::cvtepu16_epi32
#define _mm512_cvtepi32_epi8 emulated_avx512::cvtepi32_epi8
#define _mm512_cvtph_ps emulated_avx512::cvtph_ps
#define _mm512_cvtps_ph(a, rounding) emulated_avx512::cvtps_ph<(rounding)>(a)
#define _mm512_roundscale_ps(a, rounding) emulated_avx512::roundscale_ps<(rounding)>(a)
#define _mm512_abs_ps emulated_avx512::abs_ps
#define _mm512_dpbusd_epi32 emulated_avx512::dpbusd_epi32
#define _mm512_cmplt_epi32_mask emulated_avx512::cmplt_epi32_mask
#define _mm512_reduce_add_ps emulated_avx512::reduce_add_ps
#define _mm512_reduce_max_ps emulated_avx512::reduce_max_ps
#define _mm512_reduce_add_epi32 emulated_avx512::reduce_add_epi32
