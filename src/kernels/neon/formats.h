// How NEON reads each packed format: 4 columns (J, of 8) of 4 rows as one register of signed codes,
// with scales (and minima) per row. weight = s * code, or s * code + m where has_min; the bias that
// some formats have is already taken off. `u` of code() is advanced by 16 bytes for rows 4 to 7: a
// field of codes holds 4 bytes of each of the 8 rows in every 32 bytes. Only ISA files include
// this; everything has internal linkage.
#pragma once

#include "kernels/neon/registers.h"
#include "tensor/blocks.h"

namespace quern {
namespace {  // NOLINT: internal linkage is what keeps ISA code out of baseline objects

// What the arithmetic has to know of a format.
struct CodeKind {
  bool has_min = false;
  bool sub16 = false;  // a scale per 16 columns, else per 32
};

constexpr int n_subs(CodeKind kind) {
  return kind.sub16 ? 2 : 1;
}

// Of each half of a 32-column block.
struct Scales {
  RowFloats s[2];
  RowFloats m[2];
};

// (v >> shift) & mask, bytewise.
template <int kShift>
QUERN_INLINE uint8x16_t bits(uint8x16_t v, uint8_t mask) {
  if constexpr (kShift == 0) {
    return vandq_u8(v, vdupq_n_u8(mask));
  } else {
    return vandq_u8(vshrq_n_u8(v, kShift), vdupq_n_u8(mask));
  }
}
template <int kShift>
QUERN_INLINE uint8x8_t bits(uint8x8_t v, uint8_t mask) {
  if constexpr (kShift == 0) {
    return vand_u8(v, vdup_n_u8(mask));
  } else {
    return vand_u8(vshr_n_u8(v, kShift), vdup_n_u8(mask));
  }
}

QUERN_INLINE int8x16_t less_bias(uint8x16_t codes, uint8_t bias) {
  return vreinterpretq_s8_u8(vsubq_u8(codes, vdupq_n_u8(bias)));
}

// Nibbles in halves: 16 bytes a row give columns 0..15 low and 16..31 high.
template <int J>
QUERN_INLINE uint8x16_t nibble_in_halves(const uint8_t* p) {
  return bits < J<4 ? 0 : 4>(vld1q_u8(p + 32 * (J % 4)), 15);
}

// 16 where a row's 32 high bits say so; bit 4 J + b of a row's number belongs to byte b.
template <int J>
QUERN_INLINE uint8x16_t fifth_bit(const uint8_t* p) {
  // Every byte of a row becomes the byte of its number that holds bits 4 J .. 4 J + 3.
  constexpr uint32_t kFirst = J / 2 * 0x01010101U;
  const uint32x4_t pick = {kFirst, kFirst + 0x04040404U, kFirst + 0x08080808U,
                           kFirst + 0x0C0C0C0CU};
  const uint8x16_t spread = vqtbl1q_u8(vld1q_u8(p), vreinterpretq_u8_u32(pick));
  const uint32x4_t wanted = vdupq_n_u32(J % 2 == 0 ? 0x08040201U : 0x80402010U);
  return vandq_u8(vtstq_u8(spread, vreinterpretq_u8_u32(wanted)), vdupq_n_u8(16));
}

struct FormatQ40 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockQ40) * kPanelRows;
  static constexpr CodeKind kKind{};
  template <int I, int J>
  QUERN_INLINE int8x16_t code(const uint8_t* u) {
    return less_bias(nibble_in_halves<J>(u), 8);
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 128);
  }
};

struct FormatQ41 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockQ41) * kPanelRows;
  static constexpr CodeKind kKind{.has_min = true};
  template <int I, int J>
  QUERN_INLINE int8x16_t code(const uint8_t* u) {
    return vreinterpretq_s8_u8(nibble_in_halves<J>(u));
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 128);
    out.m[0] = load_f16(u + 144);
  }
};

struct FormatQ50 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockQ50) * kPanelRows;
  static constexpr CodeKind kKind{};
  template <int I, int J>
  QUERN_INLINE int8x16_t code(const uint8_t* u) {
    return less_bias(vorrq_u8(nibble_in_halves<J>(u), fifth_bit<J>(u + 128)), 16);
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 160);
  }
};

struct FormatQ51 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockQ51) * kPanelRows;
  static constexpr CodeKind kKind{.has_min = true};
  template <int I, int J>
  QUERN_INLINE int8x16_t code(const uint8_t* u) {
    return vreinterpretq_s8_u8(vorrq_u8(nibble_in_halves<J>(u), fifth_bit<J>(u + 128)));
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 160);
    out.m[0] = load_f16(u + 176);
  }
};

struct FormatQ80 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockQ80) * kPanelRows;
  static constexpr CodeKind kKind{};
  template <int I, int J>
  QUERN_INLINE int8x16_t code(const uint8_t* u) {
    return vreinterpretq_s8_u8(vld1q_u8(u + 32 * J));
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 256);
  }
};

struct FormatIq4Nl {
  static constexpr int kElements = 32, kBytes = sizeof(BlockIq4Nl) * kPanelRows;
  static constexpr CodeKind kKind{};
  template <int I, int J>
  QUERN_INLINE int8x16_t code(const uint8_t* u) {
    return vqtbl1q_s8(vld1q_s8(kIq4Codebook), nibble_in_halves<J>(u));
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    out.s[0] = load_f16(u + 128);
  }
};

struct FormatMxfp4 {
  static constexpr int kElements = 32, kBytes = sizeof(BlockMxfp4) * kPanelRows;
  static constexpr CodeKind kKind{};
  template <int I, int J>
  QUERN_INLINE int8x16_t code(const uint8_t* u) {
    return vqtbl1q_s8(vld1q_s8(kMxfp4Codebook), nibble_in_halves<J>(u));
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    const uint16x8_t e = vmovl_u8(vld1_u8(u + 128));
    out.s[0] = {{power(vmovl_u16(vget_low_u16(e))), power(vmovl_high_u16(e))}};
  }

 private:
  // 2^(e - 128): the exponent field is e - 1; e of 0 and 1 are subnormal.
  QUERN_INLINE float32x4_t power(uint32x4_t e) {
    const uint32x4_t normal = vshlq_n_u32(vsubq_u32(e, vdupq_n_u32(1)), 23);
    const uint32x4_t tiny = vshlq_u32(vdupq_n_u32(0x00200000), vreinterpretq_s32_u32(e));
    const uint32x4_t is_tiny = vcltq_u32(e, vdupq_n_u32(2));
    return vreinterpretq_f32_u32(vbslq_u32(is_tiny, tiny, normal));
  }
};

// 2 bits of a code: byte l of a half of 128 columns holds columns l, l + 32, l + 64, l + 96.
template <int I, int J>
QUERN_INLINE uint8x16_t crumb(const uint8_t* qs) {
  return bits<2 * (I % 4)>(vld1q_u8(qs + (I / 4) * 256 + 32 * J), 3);
}

struct FormatQ2K {
  static constexpr int kElements = 256, kBytes = sizeof(BlockQ2K) * kPanelRows;
  static constexpr CodeKind kKind{.has_min = true, .sub16 = true};
  template <int I, int J>
  QUERN_INLINE int8x16_t code(const uint8_t* u) {
    return vreinterpretq_s8_u8(crumb<I, J>(u));
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    const RowFloats d = load_f16(u + 640);
    const RowFloats dmin = negative(load_f16(u + 656));
    for (int h = 0; h < 2; ++h) {
      const uint8x8_t packed = vld1_u8(u + 512 + 8 * (2 * I + h));
      out.s[h] = d * to_floats(bits<0>(packed, 15));
      out.m[h] = dmin * to_floats(bits<4>(packed, 15));
    }
  }
};

struct FormatQ3K {
  static constexpr int kElements = 256, kBytes = sizeof(BlockQ3K) * kPanelRows;
  static constexpr CodeKind kKind{.sub16 = true};
  template <int I, int J>
  QUERN_INLINE int8x16_t code(const uint8_t* u) {
    const uint8x16_t high = vshlq_n_u8(bits<I>(vld1q_u8(u + 512 + 32 * J), 1), 2);
    return less_bias(vorrq_u8(crumb<I, J>(u), high), 4);
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    const RowFloats d = load_f16(u + 864);
    out.s[0] = d * scale<2 * I>(u + 768);
    out.s[1] = d * scale<2 * I + 1>(u + 768);
  }

 private:
  template <int K>
  QUERN_INLINE RowFloats scale(const uint8_t* packed) {
    const uint8x8_t low = bits < K<8 ? 0 : 4>(vld1_u8(packed + 8 * (K % 8)), 15);
    const uint8x8_t high = bits<2 * (K / 4)>(vld1_u8(packed + 8 * (8 + K % 4)), 3);
    const uint8x8_t s = vorr_u8(low, vshl_n_u8(high, 4));
    return to_floats(vreinterpret_s8_u8(vsub_u8(s, vdup_n_u8(32))));
  }
};

// 6-bit scales and minima of Q4_K and Q5_K, packed in 12 bytes (tensor/blocks.h); then d and dmin.
template <int K>
QUERN_INLINE void k_scales(const uint8_t* packed, const uint8_t* halves, Scales& out) {
  uint8x8_t s;
  uint8x8_t z;
  if constexpr (K < 4) {
    s = bits<0>(vld1_u8(packed + 8 * K), 63);
    z = bits<0>(vld1_u8(packed + 8 * (K + 4)), 63);
  } else {
    const uint8x8_t nibbles = vld1_u8(packed + 8 * (K + 4));
    const uint8x8_t s_high = vshr_n_u8(vld1_u8(packed + 8 * (K - 4)), 6);
    const uint8x8_t z_high = vshr_n_u8(vld1_u8(packed + 8 * K), 6);
    s = vorr_u8(bits<0>(nibbles, 15), vshl_n_u8(s_high, 4));
    z = vorr_u8(bits<4>(nibbles, 15), vshl_n_u8(z_high, 4));
  }
  out.s[0] = load_f16(halves) * to_floats(s);
  out.m[0] = negative(load_f16(halves + 16)) * to_floats(z);
}
// Nibbles in pairs: of each 64 columns, byte l of 32 holds column l low and l + 32 high.
template <int I, int J>
QUERN_INLINE uint8x16_t nibble_in_pairs(const uint8_t* qs) {
  return bits<4 * (I % 2)>(vld1q_u8(qs + (I / 2) * 256 + 32 * J), 15);
}

struct FormatQ4K {
  static constexpr int kElements = 256, kBytes = sizeof(BlockQ4K) * kPanelRows;
  static constexpr CodeKind kKind{.has_min = true};
  template <int I, int J>
  QUERN_INLINE int8x16_t code(const uint8_t* u) {
    return vreinterpretq_s8_u8(nibble_in_pairs<I, J>(u));
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    k_scales<I>(u + 1024, u + 1120, out);
  }
};

struct FormatQ5K {
  static constexpr int kElements = 256, kBytes = sizeof(BlockQ5K) * kPanelRows;
  static constexpr CodeKind kKind{.has_min = true};
  template <int I, int J>
  QUERN_INLINE int8x16_t code(const uint8_t* u) {
    const uint8x16_t high = vshlq_n_u8(bits<I>(vld1q_u8(u + 1024 + 32 * J), 1), 4);
    return vreinterpretq_s8_u8(vorrq_u8(nibble_in_pairs<I, J>(u), high));
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    k_scales<I>(u + 1280, u + 1376, out);
  }
};

struct FormatQ6K {
  static constexpr int kElements = 256, kBytes = sizeof(BlockQ6K) * kPanelRows;
  static constexpr CodeKind kKind{.sub16 = true};
  template <int I, int J>
  QUERN_INLINE int8x16_t code(const uint8_t* u) {
    constexpr int kHalf = I / 4;
    constexpr int kQuarter = I % 4;
    const uint8_t* low = u + kHalf * 512 + (kQuarter % 2) * 256;
    const uint8x16_t nibble = bits < kQuarter<2 ? 0 : 4>(vld1q_u8(low + 32 * J), 15);
    const uint8x16_t high = crumb<I, J>(u + 1024);
    return less_bias(vorrq_u8(nibble, vshlq_n_u8(high, 4)), 32);
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    const RowFloats d = load_f16(u + 1664);
    for (int h = 0; h < 2; ++h) {
      out.s[h] = d * to_floats(vreinterpret_s8_u8(vld1_u8(u + 1536 + 8 * (2 * I + h))));
    }
  }
};

struct FormatIq4Xs {
  static constexpr int kElements = 256, kBytes = sizeof(BlockIq4Xs) * kPanelRows;
  static constexpr CodeKind kKind{};
  template <int I, int J>
  QUERN_INLINE int8x16_t code(const uint8_t* u) {
    return vqtbl1q_s8(vld1q_s8(kIq4Codebook), nibble_in_halves<J>(u + 128 * I));
  }
  template <int I>
  QUERN_INLINE void scales(const uint8_t* u, Scales& out) {
    const uint8x8_t low = bits<4 * (I % 2)>(vld1_u8(u + 1024 + 8 * (I / 2)), 15);
    const int16x8_t down = vdupq_n_s16(-2 * I);  // a shift to the left by less than nothing
    const uint8x8_t high = bits<0>(vmovn_u16(vshlq_u16(load_u16(u + 1072), down)), 3);
    const uint8x8_t s = vorr_u8(low, vshl_n_u8(high, 4));
    out.s[0] = load_f16(u + 1056) * to_floats(vreinterpret_s8_u8(vsub_u8(s, vdup_n_u8(32))));
  }
};

}  // namespace
}  // namespace quern
