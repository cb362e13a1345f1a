// Vec: 4 floats, for the kernels of this folder that are written once for every vector width.
// Only ISA files include this; everything has internal linkage.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#ifndef QUERN_INLINE
#define QUERN_INLINE [[gnu::always_inline]] static inline
#endif

namespace quern {
namespace {

struct Vec {
  static constexpr int kLanes = 4;
  static constexpr int kRegisters = 32;
  float32x4_t v;

  QUERN_INLINE Vec load(const float* p) { return {vld1q_f32(p)}; }
  // Lanes from n on are zero; n may exceed the width.
  QUERN_INLINE Vec load_n(const float* p, size_t n) {
    if (n >= kLanes) {
      return load(p);
    }
    float lanes[kLanes] = {};
    __builtin_memcpy(lanes, p, n * sizeof(float));
    return load(lanes);
  }
  QUERN_INLINE Vec load_f16(const uint16_t* p) {
    return {vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)))};
  }
  QUERN_INLINE Vec load_i8(const int8_t* p) {
    uint32_t four;
    __builtin_memcpy(&four, p, sizeof(four));
    const int16x8_t wide = vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four)));
    return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)))};
  }
  QUERN_INLINE Vec set1(float x) { return {vdupq_n_f32(x)}; }
  QUERN_INLINE Vec zero() { return {vdupq_n_f32(0)}; }

  void store(float* p) const { vst1q_f32(p, v); }
  void store_n(float* p, size_t n) const {
    if (n >= kLanes) {
      store(p);
    } else {
      float lanes[kLanes];
      store(lanes);
      __builtin_memcpy(p, lanes, n * sizeof(float));
    }
  }
  void store_f16(uint16_t* p) const { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v))); }
  // Rounds to nearest even; values must fit.
  void store_i8(int8_t* p) const {
    const int16x4_t words = vqmovn_s32(vcvtnq_s32_f32(v));
    const int8x8_t bytes = vqmovn_s16(vcombine_s16(words, words));
    __builtin_memcpy(p, &bytes, kLanes);
  }

  friend Vec operator+(Vec a, Vec b) { return {vaddq_f32(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {vsubq_f32(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {vmulq_f32(a.v, b.v)}; }
  friend Vec operator/(Vec a, Vec b) { return {vdivq_f32(a.v, b.v)}; }
  QUERN_INLINE Vec fma(Vec a, Vec b, Vec c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
  // Of a NaN and a number both give the NaN, in either order.
  QUERN_INLINE Vec max(Vec a, Vec b) { return {vmaxq_f32(a.v, b.v)}; }
  QUERN_INLINE Vec min(Vec a, Vec b) { return {vminq_f32(a.v, b.v)}; }
  QUERN_INLINE Vec abs(Vec a) { return {vabsq_f32(a.v)}; }
  QUERN_INLINE Vec round(Vec a) { return {vrndnq_f32(a.v)}; }
  // 2^n for whole n in -126 .. 127.
  QUERN_INLINE Vec power_of_two(Vec n) {
    const int32x4_t biased = vaddq_s32(vcvtq_s32_f32(n.v), vdupq_n_s32(127));
    return {vreinterpretq_f32_s32(vshlq_n_s32(biased, 23))};
  }
  // a where x < limit (false for NaN), else b.
  QUERN_INLINE Vec if_less(Vec x, Vec limit, Vec a, Vec b) {
    return {vbslq_f32(vcltq_f32(x.v, limit.v), a.v, b.v)};
  }
  // `inside` in lanes [from, to), which may lie outside the register, else `outside`.
  QUERN_INLINE Vec lanes_between(int64_t from, int64_t to, Vec inside, Vec outside) {
    const int32x4_t lane = {0, 1, 2, 3};
    const uint32x4_t upto = vcltq_s32(lane, vdupq_n_s32(clamp(to)));
    const uint32x4_t within = vandq_u32(vcgeq_s32(lane, vdupq_n_s32(clamp(from))), upto);
    return {vbslq_f32(within, inside.v, outside.v)};
  }
  // Fixed trees, so equal input gives equal bits everywhere.
  float sum() const { return vaddvq_f32(v); }
  float max() const { return vmaxvq_f32(v); }

 private:
  QUERN_INLINE int32_t clamp(int64_t lane) {
    return static_cast<int32_t>(lane < 0 ? 0 : (lane > kLanes ? kLanes : lane));
  }
};

}  // namespace
}  // namespace quern
