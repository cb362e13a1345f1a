// The quantisation blocks as GGUF files store them, little-endian, without padding.
// Source of the layouts: ggml's ggml-common.h (the format's definition) and gguf-py's quants.py.
// kernels/scalar/dequantise.cpp is the executable form of the formulas below.
//
// Notation: x[i] is the i-th value of a block, q its integer code, d and m f16 scales (raw bits
// here). "Nibbles in halves" means that byte j holds value j low and value j + half high.
//
// This header has no functions and only internal-linkage tables, so that ISA files can include it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quern {

// ---- 32 values a block ----

// x = d * (q - 8), q in 0..15.
struct BlockQ40 {
  static constexpr size_t kElements = 32;
  uint16_t d;
  uint8_t qs[16];  // nibbles in halves: x[j] low, x[j + 16] high
};
static_assert(sizeof(BlockQ40) == 18);

// x = d * q + m, q in 0..15.
struct BlockQ41 {
  static constexpr size_t kElements = 32;
  uint16_t d;
  uint16_t m;
  uint8_t qs[16];  // nibbles in halves
};
static_assert(sizeof(BlockQ41) == 20);

// x = d * (q - 16), q in 0..31.
struct BlockQ50 {
  static constexpr size_t kElements = 32;
  uint16_t d;
  uint8_t qh[4];   // bit i of this 32-bit number is bit 4 of x[i]'s q
  uint8_t qs[16];  // low 4 bits, nibbles in halves
};
static_assert(sizeof(BlockQ50) == 22);

// x = d * q + m, q in 0..31.
struct BlockQ51 {
  static constexpr size_t kElements = 32;
  uint16_t d;
  uint16_t m;
  uint8_t qh[4];   // as in BlockQ50
  uint8_t qs[16];  // low 4 bits, nibbles in halves
};
static_assert(sizeof(BlockQ51) == 24);

// x = d * q, q in -128..127.
struct BlockQ80 {
  static constexpr size_t kElements = 32;
  uint16_t d;
  int8_t qs[32];
};
static_assert(sizeof(BlockQ80) == 34);

// x = d * kIq4Codebook[q].
struct BlockIq4Nl {
  static constexpr size_t kElements = 32;
  uint16_t d;
  uint8_t qs[16];  // nibbles in halves
};
static_assert(sizeof(BlockIq4Nl) == 18);

// x = 2^(e - 128) * kMxfp4Codebook[q]. OCP Microscaling Formats v1.0: an E8M0 scale 2^(e - 127) and
// E2M1 values; the codebook holds the values doubled, hence 128. As in ggml, e = 255 is not taken
// for the specification's NaN but continues the sequence.
struct BlockMxfp4 {
  static constexpr size_t kElements = 32;
  uint8_t e;
  uint8_t qs[16];  // nibbles in halves
};
static_assert(sizeof(BlockMxfp4) == 17);

// ---- 256 values a super-block ----
//
// 2-bit fields ("crumbs"): in each half of 128 values, byte l of 32 holds x[l], x[l + 32],
// x[l + 64], x[l + 96] from its lowest bits upwards.
// Nibbles in pairs: of each 64 values, byte l of 32 holds x[l] low and x[l + 32] high.

// 16 sub-blocks of 16. x = d * s * q - dmin * z, q in 0..3, s and z in 0..15.
struct BlockQ2K {
  static constexpr size_t kElements = 256;
  uint8_t scales[16];  // per sub-block: s low nibble, z high nibble
  uint8_t qs[64];      // crumbs
  uint16_t d;
  uint16_t dmin;
};
static_assert(sizeof(BlockQ2K) == 84);

// 16 sub-blocks of 16. x = d * (s - 32) * (q - 4), q in 0..7, s in 0..63.
struct BlockQ3K {
  static constexpr size_t kElements = 256;
  uint8_t hmask[32];   // bit i / 32 of byte i % 32 is bit 2 of x[i]'s q
  uint8_t qs[64];      // low 2 bits, crumbs
  uint8_t scales[12];  // s of sub-block k: low 4 bits in the low (k < 8) or high nibble of byte
                       // k % 8; high 2 bits at bit 2 * (k / 4) of byte 8 + k % 4
  uint16_t d;
};
static_assert(sizeof(BlockQ3K) == 110);

// 8 sub-blocks of 32. x = d * s * q - dmin * z, q in 0..15, s and z in 0..63.
struct BlockQ4K {
  static constexpr size_t kElements = 256;
  uint16_t d;
  uint16_t dmin;
  uint8_t scales[12];  // k < 4: s low 6 bits of byte k, z low 6 bits of byte k + 4.
                       // k >= 4: low 4 bits of s and z are the low and high nibble of byte k + 4,
                       // their high 2 bits are the top bits of bytes k - 4 and k
  uint8_t qs[128];     // nibbles in pairs
};
static_assert(sizeof(BlockQ4K) == 144);

// 8 sub-blocks of 32. x = d * s * q - dmin * z, q in 0..31, s and z in 0..63.
struct BlockQ5K {
  static constexpr size_t kElements = 256;
  uint16_t d;
  uint16_t dmin;
  uint8_t scales[12];  // as in BlockQ4K
  uint8_t qh[32];      // bit i / 32 of byte i % 32 is bit 4 of x[i]'s q
  uint8_t qs[128];     // low 4 bits, nibbles in pairs
};
static_assert(sizeof(BlockQ5K) == 176);

// 16 sub-blocks of 16. x = d * s * (q - 32), q in 0..63, s in -128..127.
struct BlockQ6K {
  static constexpr size_t kElements = 256;
  uint8_t ql[128];    // low 4 bits: in each half of 128 values, byte l of 64 holds x[l], x[l + 64]
  uint8_t qh[64];     // high 2 bits, crumbs
  int8_t scales[16];  // s
  uint16_t d;
};
static_assert(sizeof(BlockQ6K) == 210);

// 8 sub-blocks of 32. x = d * (s - 32) * kIq4Codebook[q], s in 0..63.
struct BlockIq4Xs {
  static constexpr size_t kElements = 256;
  uint16_t d;
  uint16_t scales_h;    // bits 2k and 2k + 1 are the high 2 bits of sub-block k's s
  uint8_t scales_l[4];  // low 4 bits of s: byte k / 2, low nibble for even k
  uint8_t qs[128];      // per sub-block 16 bytes, nibbles in halves
};
static_assert(sizeof(BlockIq4Xs) == 136);

// ---- codebooks (internal linkage on purpose: no weak symbols in ISA objects) ----

// Non-uniform 4-bit levels, denser near zero. The table is part of the format.
constexpr int8_t kIq4Codebook[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};

// E2M1 (sign, 2 exponent bits, 1 mantissa bit) times two: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and negatives.
constexpr int8_t kMxfp4Codebook[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

}  // namespace quern
