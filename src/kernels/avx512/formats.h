// How AVX-512 reads each packed format: 32 columns of 16 rows as 8 registers of unsigned codes,
// each register holding 4 columns of every row, with scales (and minima) per row. weight = s *
// (code - kBias), or s * code + m where kHasMin. kSub16: a scale per 16 columns, else per 32. Only
// ISA files include this; everything has internal linkage.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "tensor/blocks.h"

namespace quern {
namespace {  // NOLINT: internal linkage is what keeps ISA code out of baseline objects

#define QUERN_INLINE [[gnu::always_inline]] static inline

constexpr int kPanelRows = 16;

struct Scales {
  __m512 s[2];
  __m512 m[2];
};

QUERN_INLINE __m512i load512(const uint8_t* p) {
  return _mm512_loadu_si512(p);
}
QUERN_INLINE __m512 load_f16(const uint8_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
QUERN_INLINE __m512i load_u8_as_i32(const uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
QUERN_INLINE __m512i low_nibbles(__m512i v) {
  return _mm512_and_si512(v, _mm512_set1_epi8(15));
}
QUERN_INLINE __m512i high_nibbles(__m512i v) {
  return _mm512_and_si512(_mm512_srli_epi16(v, 4), _mm512_set1_epi8(15));
}
// ((v >> shift) & mask) << left, bytewise; shift and left small enough to stay inside a byte after
// masking.
template <int kShift, int kLeft>
QUERN_INLINE __m512i bits(__m512i v, int mask) {
  const __m512i down = kShift == 0 ? v : _mm512_srli_epi16(v, kShift);
  const __m512i masked = _mm512_and_si512(down, _mm512_set1_epi8(static_cast<char>(mask)));
  return kLeft == 0 ? masked : _mm512_slli_epi16(masked, kLeft);
}

// Nibbles in halves: 16 bytes a row in 4 registers give columns 0..15 low and 16..31 high.
QUERN_INLINE void nibbles_in_halves(const uint8_t* p, __m512i (&q)[8]) {
  for (int j = 0; j < 4; ++j) {
    const __m512i v = load512(p + 64 * j);
    q[j] = low_nibbles(v);
    q[j + 4] = high_nibbles(v);
  }
}

QUERN_INLINE __m512i codebook_register(const int8_t (&book)[16], int bias) {
  alignas(16) uint8_t biased[16];
  for (int i = 0; i < 16; ++i) {
    biased[i] = static_cast<uint8_t>(book[i] + bias);
  }
  return _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(biased)));
}
QUERN_INLINE void look_up(__m512i (&q)[8], __m512i book) {
  for (__m512i& v : q) {
    v = _mm512_shuffle_epi8(book, v);
  }
}

struct FormatQ40 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockQ40) * kPanelRows, kBias = 8;
  static constexpr bool kHasMin = false, kSub16 = false;
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m512i (&q)[8]) {
    nibbles_in_halves(u, q);
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 256);
  }
};

struct FormatQ41 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockQ41) * kPanelRows, kBias = 0;
  static constexpr bool kHasMin = true, kSub16 = false;
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m512i (&q)[8]) {
    nibbles_in_halves(u, q);
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 256);
    out.m[0] = load_f16(u + 288);
  }
};

// Adds 16 where a row's 32 high bits say so; bit 4 j + b of a row's number belongs to byte b of
// q[j].
QUERN_INLINE void add_fifth_bits(__m512i high, __m512i (&q)[8]) {
  const __m512i sixteen = _mm512_set1_epi8(16);
  const __m512i even = _mm512_set1_epi32(static_cast<int>(0x08040201U));
  const __m512i odd = _mm512_set1_epi32(static_cast<int>(0x80402010U));
  for (int j = 0; j < 8; ++j) {
    // Every byte of a row becomes the byte of its number that holds bits 4 j .. 4 j + 3.
    const int base = j / 2;
    const __m512i pick =
        _mm512_broadcast_i32x4(_mm_setr_epi32(base * 0x01010101, (base + 4) * 0x01010101,
                                              (base + 8) * 0x01010101, (base + 12) * 0x01010101));
    const __m512i spread = _mm512_shuffle_epi8(high, pick);
    const __mmask64 set = _mm512_test_epi8_mask(spread, j % 2 == 0 ? even : odd);
    q[j] = _mm512_mask_add_epi8(q[j], set, q[j], sixteen);
  }
}

struct FormatQ50 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockQ50) * kPanelRows, kBias = 16;
  static constexpr bool kHasMin = false, kSub16 = false;
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m512i (&q)[8]) {
    nibbles_in_halves(u, q);
    add_fifth_bits(load512(u + 256), q);
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 320);
  }
};

struct FormatQ51 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockQ51) * kPanelRows, kBias = 0;
  static constexpr bool kHasMin = true, kSub16 = false;
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m512i (&q)[8]) {
    nibbles_in_halves(u, q);
    add_fifth_bits(load512(u + 256), q);
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 320);
    out.m[0] = load_f16(u + 352);
  }
};

struct FormatQ80 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockQ80) * kPanelRows, kBias = 128;
  static constexpr bool kHasMin = false, kSub16 = false;
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m512i (&q)[8]) {
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));  // adds 128 to a signed byte
    for (int j = 0; j < 8; ++j) {
      q[j] = _mm512_xor_si512(load512(u + 64 * j), flip);
    }
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 512);
  }
};

struct FormatIq4Nl {
  static constexpr int kElements = 32, kBytes = sizeof(BlockIq4Nl) * kPanelRows, kBias = 128;
  static constexpr bool kHasMin = false, kSub16 = false;
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m512i (&q)[8]) {
    nibbles_in_halves(u, q);
    look_up(q, codebook_register(kIq4Codebook, kBias));
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 256);
  }
};

struct FormatMxfp4 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockMxfp4) * kPanelRows, kBias = 16;
  static constexpr bool kHasMin = false, kSub16 = false;
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m512i (&q)[8]) {
    nibbles_in_halves(u, q);
    look_up(q, codebook_register(kMxfp4Codebook, kBias));
  }
  // 2^(e - 128): the exponent field is e - 1; e of 0 and 1 are subnormal.
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    const __m512i e = load_u8_as_i32(u + 256);
    const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    const __m512i tiny = _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), e);
    const __mmask16 small = _mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2));
    out.s[0] = _mm512_castsi512_ps(_mm512_mask_mov_epi32(normal, small, tiny));
  }
};

// 2 bits of a code: byte l of a half of 128 columns holds columns l, l + 32, l + 64, l + 96.
template <int I>
QUERN_INLINE void crumbs(const uint8_t* qs, __m512i (&q)[8]) {
  const uint8_t* half = qs + (I / 4) * 512;
  for (int j = 0; j < 8; ++j) {
    q[j] = bits<2 * (I % 4), 0>(load512(half + 64 * j), 3);
  }
}

struct FormatQ2K {
  static constexpr int kElements = 256, kBytes = sizeof(BlockQ2K) * kPanelRows, kBias = 0;
  static constexpr bool kHasMin = true, kSub16 = true;
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m512i (&q)[8]) {
    crumbs<I>(u, q);
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    const __m512 d = load_f16(u + 1280);
    const __m512 dmin = _mm512_sub_ps(_mm512_setzero_ps(), load_f16(u + 1312));
    for (int h = 0; h < 2; ++h) {
      const __m512i packed = load_u8_as_i32(u + 1024 + 16 * (2 * I + h));
      const __m512i s = _mm512_and_si512(packed, _mm512_set1_epi32(15));
      out.s[h] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(s));
      out.m[h] = _mm512_mul_ps(dmin, _mm512_cvtepi32_ps(_mm512_srli_epi32(packed, 4)));
    }
  }
};

struct FormatQ3K {
  static constexpr int kElements = 256, kBytes = sizeof(BlockQ3K) * kPanelRows, kBias = 4;
  static constexpr bool kHasMin = false, kSub16 = true;
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m512i (&q)[8]) {
    crumbs<I>(u, q);
    for (int j = 0; j < 8; ++j) {
      const __m512i high = bits<I, 2>(load512(u + 1024 + 64 * j), 1);
      q[j] = _mm512_or_si512(q[j], high);
    }
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    const __m512 d = load_f16(u + 1728);
    out.s[0] = scale<2 * I>(u + 1536, d);
    out.s[1] = scale<2 * I + 1>(u + 1536, d);
  }

 private:
  template <int K>
  QUERN_INLINE __m512 scale(const uint8_t* packed, __m512 d) {
    const __m512i low_byte = load_u8_as_i32(packed + 16 * (K % 8));
    const __m512i low =
        K < 8 ? _mm512_and_si512(low_byte, _mm512_set1_epi32(15)) : _mm512_srli_epi32(low_byte, 4);
    const __m512i high_byte =
        _mm512_srli_epi32(load_u8_as_i32(packed + 16 * (8 + K % 4)), 2 * (K / 4));
    const __m512i high = _mm512_slli_epi32(_mm512_and_si512(high_byte, _mm512_set1_epi32(3)), 4);
    const __m512i s = _mm512_sub_epi32(_mm512_or_si512(low, high), _mm512_set1_epi32(32));
    return _mm512_mul_ps(d, _mm512_cvtepi32_ps(s));
  }
};

// 6-bit scales and minima of Q4_K and Q5_K, packed in 12 bytes (tensor/blocks.h).
template <int K>
QUERN_INLINE void six_bit_scales(const uint8_t* packed, __m512i& s, __m512i& z) {
  const __m512i low_six = _mm512_set1_epi32(63);
  if constexpr (K < 4) {
    s = _mm512_and_si512(load_u8_as_i32(packed + 16 * K), low_six);
    z = _mm512_and_si512(load_u8_as_i32(packed + 16 * (K + 4)), low_six);
  } else {
    const __m512i nibbles = load_u8_as_i32(packed + 16 * (K + 4));
    const __m512i s_high = _mm512_srli_epi32(load_u8_as_i32(packed + 16 * (K - 4)), 6);
    const __m512i z_high = _mm512_srli_epi32(load_u8_as_i32(packed + 16 * K), 6);
    s = _mm512_or_si512(_mm512_and_si512(nibbles, _mm512_set1_epi32(15)),
                        _mm512_slli_epi32(s_high, 4));
    z = _mm512_or_si512(_mm512_srli_epi32(nibbles, 4), _mm512_slli_epi32(z_high, 4));
  }
}
template <int I>
QUERN_INLINE void k_scales(const uint8_t* packed, const uint8_t* halves, Scales& out) {
  __m512i s;
  __m512i z;
  six_bit_scales<I>(packed, s, z);
  const __m512 dmin = _mm512_sub_ps(_mm512_setzero_ps(), load_f16(halves + 32));
  out.s[0] = _mm512_mul_ps(load_f16(halves), _mm512_cvtepi32_ps(s));
  out.m[0] = _mm512_mul_ps(dmin, _mm512_cvtepi32_ps(z));
}
// Nibbles in pairs: of each 64 columns, byte l of 32 holds column l low and l + 32 high.
template <int I>
QUERN_INLINE void nibbles_in_pairs(const uint8_t* qs, __m512i (&q)[8]) {
  const uint8_t* pair = qs + (I / 2) * 512;
  for (int j = 0; j < 8; ++j) {
    const __m512i v = load512(pair + 64 * j);
    q[j] = I % 2 == 0 ? low_nibbles(v) : high_nibbles(v);
  }
}

struct FormatQ4K {
  static constexpr int kElements = 256, kBytes = sizeof(BlockQ4K) * kPanelRows, kBias = 0;
  static constexpr bool kHasMin = true, kSub16 = false;
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m512i (&q)[8]) {
    nibbles_in_pairs<I>(u, q);
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    k_scales<I>(u + 2048, u + 2240, out);
  }
};

struct FormatQ5K {
  static constexpr int kElements = 256, kBytes = sizeof(BlockQ5K) * kPanelRows, kBias = 0;
  static constexpr bool kHasMin = true, kSub16 = false;
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m512i (&q)[8]) {
    nibbles_in_pairs<I>(u, q);
    for (int j = 0; j < 8; ++j) {
      const __m512i high = bits<I, 4>(load512(u + 2048 + 64 * j), 1);
      q[j] = _mm512_or_si512(q[j], high);
    }
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    k_scales<I>(u + 2560, u + 2752, out);
  }
};

struct FormatQ6K {
  static constexpr int kElements = 256, kBytes = sizeof(BlockQ6K) * kPanelRows, kBias = 32;
  static constexpr bool kHasMin = false, kSub16 = true;
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m512i (&q)[8]) {
    constexpr int kQuarter = I % 4;
    const uint8_t* low = u + (I / 4) * 1024 + (kQuarter % 2) * 512;
    const uint8_t* high = u + 2048 + (I / 4) * 512;
    for (int j = 0; j < 8; ++j) {
      const __m512i v = load512(low + 64 * j);
      const __m512i top = bits<2 * kQuarter, 4>(load512(high + 64 * j), 3);
      q[j] = _mm512_or_si512(kQuarter < 2 ? low_nibbles(v) : high_nibbles(v), top);
    }
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    const __m512 d = load_f16(u + 3328);
    for (int h = 0; h < 2; ++h) {
      const auto* p = reinterpret_cast<const __m128i*>(u + 3072 + 16 * (2 * I + h));
      out.s[h] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(p))));
    }
  }
};

struct FormatIq4Xs {
  static constexpr int kElements = 256, kBytes = sizeof(BlockIq4Xs) * kPanelRows, kBias = 128;
  static constexpr bool kHasMin = false, kSub16 = false;
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m512i (&q)[8]) {
    nibbles_in_halves(u + 256 * I, q);
    look_up(q, codebook_register(kIq4Codebook, kBias));
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    const __m512i low_byte = load_u8_as_i32(u + 2048 + 16 * (I / 2));
    const __m512i low = I % 2 == 0 ? _mm512_and_si512(low_byte, _mm512_set1_epi32(15))
                                   : _mm512_srli_epi32(low_byte, 4);
    const __m512i high_bits =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(u + 2144)));
    const __m512i high =
        _mm512_and_si512(_mm512_srli_epi32(high_bits, 2 * I), _mm512_set1_epi32(3));
    const __m512i s =
        _mm512_sub_epi32(_mm512_or_si512(low, _mm512_slli_epi32(high, 4)), _mm512_set1_epi32(32));
    out.s[0] = _mm512_mul_ps(load_f16(u + 2112), _mm512_cvtepi32_ps(s));
  }
};

}  // namespace
}  // namespace quern
