// How AVX2 reads each packed format: 32 columns of 8 rows as 8 registers of codes, each register
// holding 4 columns of every row, with scales (and minima) per row. weight = s * (code - kBias), or
// s * code + m where has_min. Only ISA files include this; everything has internal linkage.
#pragma once

#include "kernels/avx2/registers.h"
#include "tensor/blocks.h"

namespace quern {
namespace {  // NOLINT: internal linkage is what keeps ISA code out of baseline objects

// What the arithmetic has to know of a format. Activation codes lie in -127 .. 127, so a pair of
// products with codes of at most 15, 31 or 63 leaves room in 16 bits for 8, 4 or 2 such pairs.
struct CodeKind {
  bool has_min = false;
  bool sub16 = false;      // a scale per 16 columns, else per 32
  bool biased = false;     // kBias is not 0
  bool is_signed = false;  // codes are signed bytes, else unsigned and at most 63
  int i16_steps = 1;       // registers whose pair sums may be added up in 16 bits
  bool wide = false;       // activations have 15 bits (PrepareArgs::paired)
};

constexpr CodeKind with_wide(CodeKind kind) {
  kind.wide = true;
  return kind;
}

struct Scales {
  __m256 s[2];
  __m256 m[2];
};

QUERN_INLINE __m256i low_nibbles(__m256i v) {
  return _mm256_and_si256(v, _mm256_set1_epi8(15));
}
QUERN_INLINE __m256i high_nibbles(__m256i v) {
  return _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
}
// ((v >> shift) & mask) << left, bytewise; shift and left small enough to stay inside a byte after
// masking.
template <int kShift, int kLeft>
QUERN_INLINE __m256i bits(__m256i v, int mask) {
  const __m256i down = kShift == 0 ? v : _mm256_srli_epi16(v, kShift);
  const __m256i masked = _mm256_and_si256(down, _mm256_set1_epi8(static_cast<char>(mask)));
  return kLeft == 0 ? masked : _mm256_slli_epi16(masked, kLeft);
}

// Nibbles in halves: 16 bytes a row in 4 registers give columns 0..15 low and 16..31 high.
QUERN_INLINE void nibbles_in_halves(const uint8_t* p, __m256i (&q)[8]) {
  for (int j = 0; j < 4; ++j) {
    const __m256i v = load256(p + 32 * j);
    q[j] = low_nibbles(v);
    q[j + 4] = high_nibbles(v);
  }
}

QUERN_INLINE __m256i codebook_register(const int8_t (&book)[16], int bias) {
  alignas(16) uint8_t biased[16];
  for (int i = 0; i < 16; ++i) {
    biased[i] = static_cast<uint8_t>(book[i] + bias);
  }
  return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(biased)));
}
QUERN_INLINE void look_up(__m256i (&q)[8], __m256i book) {
  for (__m256i& v : q) {
    v = _mm256_shuffle_epi8(book, v);
  }
}

struct FormatQ40 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockQ40) * kPanelRows, kBias = 8;
  static constexpr CodeKind kKind{.biased = true, .i16_steps = 8};
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m256i (&q)[8]) {
    nibbles_in_halves(u, q);
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 128);
  }
};

struct FormatQ41 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockQ41) * kPanelRows, kBias = 0;
  static constexpr CodeKind kKind{.has_min = true, .i16_steps = 8};
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m256i (&q)[8]) {
    nibbles_in_halves(u, q);
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 128);
    out.m[0] = load_f16(u + 144);
  }
};

// Adds 16 where a row's 32 high bits say so; bit 4 j + b of a row's number belongs to byte b of
// q[j].
QUERN_INLINE void add_fifth_bits(__m256i high, __m256i (&q)[8]) {
  const __m256i sixteen = _mm256_set1_epi8(16);
  const __m256i even = _mm256_set1_epi32(static_cast<int>(0x08040201U));
  const __m256i odd = _mm256_set1_epi32(static_cast<int>(0x80402010U));
  for (int j = 0; j < 8; ++j) {
    // Every byte of a row becomes the byte of its number that holds bits 4 j .. 4 j + 3.
    const int base = j / 2;
    const __m256i pick = _mm256_broadcastsi128_si256(
        _mm_setr_epi32(base * 0x01010101, (base + 4) * 0x01010101, (base + 8) * 0x01010101,
                       (base + 12) * 0x01010101));
    const __m256i spread = _mm256_shuffle_epi8(high, pick);
    const __m256i wanted = j % 2 == 0 ? even : odd;
    const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, wanted), wanted);
    q[j] = _mm256_or_si256(q[j], _mm256_and_si256(set, sixteen));
  }
}

struct FormatQ50 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockQ50) * kPanelRows, kBias = 16;
  static constexpr CodeKind kKind{.biased = true, .i16_steps = 4};
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m256i (&q)[8]) {
    nibbles_in_halves(u, q);
    add_fifth_bits(load256(u + 128), q);
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 160);
  }
};

struct FormatQ51 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockQ51) * kPanelRows, kBias = 0;
  static constexpr CodeKind kKind{.has_min = true, .i16_steps = 4};
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m256i (&q)[8]) {
    nibbles_in_halves(u, q);
    add_fifth_bits(load256(u + 128), q);
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 160);
    out.m[0] = load_f16(u + 176);
  }
};

struct FormatQ80 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockQ80) * kPanelRows, kBias = 0;
  static constexpr CodeKind kKind{.is_signed = true, .i16_steps = 1};
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m256i (&q)[8]) {
    for (int j = 0; j < 8; ++j) {
      q[j] = load256(u + 32 * j);
    }
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 256);
  }
};

struct FormatIq4Nl {
  static constexpr int kElements = 32, kBytes = sizeof(BlockIq4Nl) * kPanelRows, kBias = 0;
  static constexpr CodeKind kKind{.is_signed = true, .i16_steps = 1};
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m256i (&q)[8]) {
    nibbles_in_halves(u, q);
    look_up(q, codebook_register(kIq4Codebook, kBias));
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 128);
  }
};

struct FormatMxfp4 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockMxfp4) * kPanelRows, kBias = 16;
  static constexpr CodeKind kKind{.biased = true, .i16_steps = 4};
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m256i (&q)[8]) {
    nibbles_in_halves(u, q);
    look_up(q, codebook_register(kMxfp4Codebook, kBias));
  }
  // 2^(e - 128): the exponent field is e - 1; e of 0 and 1 are subnormal.
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    const __m256i e = load_u8_as_i32(u + 128);
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    const __m256i tiny = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    const __m256i small = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e);
    out.s[0] = _mm256_castsi256_ps(_mm256_blendv_epi8(normal, tiny, small));
  }
};

// 2 bits of a code: byte l of a half of 128 columns holds columns l, l + 32, l + 64, l + 96.
template <int I>
QUERN_INLINE void crumbs(const uint8_t* qs, __m256i (&q)[8]) {
  const uint8_t* half = qs + (I / 4) * 256;
  for (int j = 0; j < 8; ++j) {
    q[j] = bits<2 * (I % 4), 0>(load256(half + 32 * j), 3);
  }
}

struct FormatQ2K {
  static constexpr int kElements = 256, kBytes = sizeof(BlockQ2K) * kPanelRows, kBias = 0;
  static constexpr CodeKind kKind{.has_min = true, .sub16 = true, .i16_steps = 8};
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m256i (&q)[8]) {
    crumbs<I>(u, q);
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    const __m256 d = load_f16(u + 640);
    const __m256 dmin = _mm256_sub_ps(_mm256_setzero_ps(), load_f16(u + 656));
    for (int h = 0; h < 2; ++h) {
      const __m256i packed = load_u8_as_i32(u + 512 + 8 * (2 * I + h));
      const __m256i s = _mm256_and_si256(packed, _mm256_set1_epi32(15));
      out.s[h] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(s));
      out.m[h] = _mm256_mul_ps(dmin, _mm256_cvtepi32_ps(_mm256_srli_epi32(packed, 4)));
    }
  }
};

struct FormatQ3K {
  static constexpr int kElements = 256, kBytes = sizeof(BlockQ3K) * kPanelRows, kBias = 4;
  static constexpr CodeKind kKind{.sub16 = true, .biased = true, .i16_steps = 8};
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m256i (&q)[8]) {
    crumbs<I>(u, q);
    for (int j = 0; j < 8; ++j) {
      const __m256i high = bits<I, 2>(load256(u + 512 + 32 * j), 1);
      q[j] = _mm256_or_si256(q[j], high);
    }
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    const __m256 d = load_f16(u + 864);
    out.s[0] = scale<2 * I>(u + 768, d);
    out.s[1] = scale<2 * I + 1>(u + 768, d);
  }

 private:
  template <int K>
  QUERN_INLINE __m256 scale(const uint8_t* packed, __m256 d) {
    const __m256i low_byte = load_u8_as_i32(packed + 8 * (K % 8));
    const __m256i low =
        K < 8 ? _mm256_and_si256(low_byte, _mm256_set1_epi32(15)) : _mm256_srli_epi32(low_byte, 4);
    const __m256i high_byte =
        _mm256_srli_epi32(load_u8_as_i32(packed + 8 * (8 + K % 4)), 2 * (K / 4));
    const __m256i high = _mm256_slli_epi32(_mm256_and_si256(high_byte, _mm256_set1_epi32(3)), 4);
    const __m256i s = _mm256_sub_epi32(_mm256_or_si256(low, high), _mm256_set1_epi32(32));
    return _mm256_mul_ps(d, _mm256_cvtepi32_ps(s));
  }
};

// 6-bit scales and minima of Q4_K and Q5_K, packed in 12 bytes (tensor/blocks.h).
template <int K>
QUERN_INLINE void six_bit_scales(const uint8_t* packed, __m256i& s, __m256i& z) {
  const __m256i low_six = _mm256_set1_epi32(63);
  if constexpr (K < 4) {
    s = _mm256_and_si256(load_u8_as_i32(packed + 8 * K), low_six);
    z = _mm256_and_si256(load_u8_as_i32(packed + 8 * (K + 4)), low_six);
  } else {
    const __m256i nibbles = load_u8_as_i32(packed + 8 * (K + 4));
    const __m256i s_high = _mm256_srli_epi32(load_u8_as_i32(packed + 8 * (K - 4)), 6);
    const __m256i z_high = _mm256_srli_epi32(load_u8_as_i32(packed + 8 * K), 6);
    s = _mm256_or_si256(_mm256_and_si256(nibbles, _mm256_set1_epi32(15)),
                        _mm256_slli_epi32(s_high, 4));
    z = _mm256_or_si256(_mm256_srli_epi32(nibbles, 4), _mm256_slli_epi32(z_high, 4));
  }
}
template <int I>
QUERN_INLINE void k_scales(const uint8_t* packed, const uint8_t* halves, Scales& out) {
  __m256i s;
  __m256i z;
  six_bit_scales<I>(packed, s, z);
  const __m256 dmin = _mm256_sub_ps(_mm256_setzero_ps(), load_f16(halves + 16));
  out.s[0] = _mm256_mul_ps(load_f16(halves), _mm256_cvtepi32_ps(s));
  out.m[0] = _mm256_mul_ps(dmin, _mm256_cvtepi32_ps(z));
}
// Nibbles in pairs: of each 64 columns, byte l of 32 holds column l low and l + 32 high.
template <int I>
QUERN_INLINE void nibbles_in_pairs(const uint8_t* qs, __m256i (&q)[8]) {
  const uint8_t* pair = qs + (I / 2) * 256;
  for (int j = 0; j < 8; ++j) {
    const __m256i v = load256(pair + 32 * j);
    q[j] = I % 2 == 0 ? low_nibbles(v) : high_nibbles(v);
  }
}

struct FormatQ4K {
  static constexpr int kElements = 256, kBytes = sizeof(BlockQ4K) * kPanelRows, kBias = 0;
  static constexpr CodeKind kKind{.has_min = true, .i16_steps = 8};
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m256i (&q)[8]) {
    nibbles_in_pairs<I>(u, q);
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    k_scales<I>(u + 1024, u + 1120, out);
  }
};

struct FormatQ5K {
  static constexpr int kElements = 256, kBytes = sizeof(BlockQ5K) * kPanelRows, kBias = 0;
  static constexpr CodeKind kKind{.has_min = true, .i16_steps = 4};
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m256i (&q)[8]) {
    nibbles_in_pairs<I>(u, q);
    for (int j = 0; j < 8; ++j) {
      const __m256i high = bits<I, 4>(load256(u + 1024 + 32 * j), 1);
      q[j] = _mm256_or_si256(q[j], high);
    }
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    k_scales<I>(u + 1280, u + 1376, out);
  }
};

struct FormatQ6K {
  static constexpr int kElements = 256, kBytes = sizeof(BlockQ6K) * kPanelRows, kBias = 32;
  static constexpr CodeKind kKind{.sub16 = true, .biased = true, .i16_steps = 2};
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m256i (&q)[8]) {
    constexpr int kQuarter = I % 4;
    const uint8_t* low = u + (I / 4) * 512 + (kQuarter % 2) * 256;
    const uint8_t* high = u + 1024 + (I / 4) * 256;
    for (int j = 0; j < 8; ++j) {
      const __m256i v = load256(low + 32 * j);
      const __m256i top = bits<2 * kQuarter, 4>(load256(high + 32 * j), 3);
      q[j] = _mm256_or_si256(kQuarter < 2 ? low_nibbles(v) : high_nibbles(v), top);
    }
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    const __m256 d = load_f16(u + 1664);
    for (int h = 0; h < 2; ++h) {
      const __m256i s = load_i8_as_i32(u + 1536 + 8 * (2 * I + h));
      out.s[h] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(s));
    }
  }
};

struct FormatIq4Xs {
  static constexpr int kElements = 256, kBytes = sizeof(BlockIq4Xs) * kPanelRows, kBias = 0;
  static constexpr CodeKind kKind{.is_signed = true, .i16_steps = 1};
  template <int I>
  QUERN_INLINE void codes(const uint8_t* u, __m256i (&q)[8]) {
    nibbles_in_halves(u + 128 * I, q);
    look_up(q, codebook_register(kIq4Codebook, kBias));
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    const __m256i low_byte = load_u8_as_i32(u + 1024 + 8 * (I / 2));
    const __m256i low = I % 2 == 0 ? _mm256_and_si256(low_byte, _mm256_set1_epi32(15))
                                   : _mm256_srli_epi32(low_byte, 4);
    const __m256i high_bits =
        _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(u + 1072)));
    const __m256i high =
        _mm256_and_si256(_mm256_srli_epi32(high_bits, 2 * I), _mm256_set1_epi32(3));
    const __m256i s =
        _mm256_sub_epi32(_mm256_or_si256(low, _mm256_slli_epi32(high, 4)), _mm256_set1_epi32(32));
    out.s[0] = _mm256_mul_ps(load_f16(u + 1056), _mm256_cvtepi32_ps(s));
  }
};

}  // namespace
}  // namespace quern
