// Loads, widenings and stores that the NEON files share. Eight rows take two registers, rows 0 to 3
// and rows 4 to 7. Only ISA files include this; everything has internal linkage.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#define QUERN_INLINE [[gnu::always_inline]] static inline

namespace quern {
namespace {  // NOLINT: internal linkage is what keeps ISA code out of baseline objects

constexpr int kPanelRows = 8;

// A number for each of the 8 rows.
struct RowFloats {
  float32x4_t v[2];
};

QUERN_INLINE RowFloats load_f32(const float* p) {
  return {{vld1q_f32(p), vld1q_f32(p + 4)}};
}
QUERN_INLINE void store_f32(float* p, const RowFloats& x) {
  vst1q_f32(p, x.v[0]);
  vst1q_f32(p + 4, x.v[1]);
}
QUERN_INLINE uint16x8_t load_u16(const uint8_t* p) {
  return vreinterpretq_u16_u8(vld1q_u8(p));
}
QUERN_INLINE RowFloats load_f16(const uint8_t* p) {
  const float16x8_t halves = vreinterpretq_f16_u8(vld1q_u8(p));
  return {{vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)}};
}
QUERN_INLINE RowFloats to_floats(int8x8_t x) {
  const int16x8_t wide = vmovl_s8(x);
  return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))), vcvtq_f32_s32(vmovl_high_s16(wide))}};
}
QUERN_INLINE RowFloats to_floats(uint8x8_t x) {
  const uint16x8_t wide = vmovl_u8(x);
  return {{vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide))), vcvtq_f32_u32(vmovl_high_u16(wide))}};
}
QUERN_INLINE RowFloats operator*(const RowFloats& a, const RowFloats& b) {
  return {{vmulq_f32(a.v[0], b.v[0]), vmulq_f32(a.v[1], b.v[1])}};
}
QUERN_INLINE RowFloats operator+(const RowFloats& a, const RowFloats& b) {
  return {{vaddq_f32(a.v[0], b.v[0]), vaddq_f32(a.v[1], b.v[1])}};
}
QUERN_INLINE RowFloats negative(const RowFloats& a) {
  return {{vnegq_f32(a.v[0]), vnegq_f32(a.v[1])}};
}

// A panel's 8 rows of one token: adds the bias, if any, and leaves out rows from `n_rows` on, which
// are only there to fill the panel.
QUERN_INLINE void store_rows(float* out, const float* bias, int n_rows, RowFloats x) {
  if (n_rows >= kPanelRows) {
    store_f32(out, bias == nullptr ? x : x + load_f32(bias));
    return;
  }
  float rows[kPanelRows];
  store_f32(rows, x);
  for (int i = 0; i < n_rows; ++i) {
    out[i] = bias == nullptr ? rows[i] : rows[i] + bias[i];
  }
}

}  // namespace
}  // namespace quern
