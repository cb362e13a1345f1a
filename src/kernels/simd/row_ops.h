// Norm, rotation, residual, gated activation and KV writes, once for every vector width.
// Included after a vec_*.h; internal linkage. Each element or row is computed alone, in column
// order.
#pragma once

#include <cmath>

#include "kernels/kernel_table.h"
#include "kernels/simd/math.h"

namespace quern {
namespace {

void simd_rms_norm(const RmsNormArgs& args) {
  constexpr size_t kStep = Vec::kLanes;
  const size_t n = args.n_columns;
  for (size_t row = 0; row < args.n_rows; ++row) {
    const float* x = args.x + row * args.x_stride;
    float* out = args.out + row * args.out_stride;
    Vec squares = Vec::zero();
    for (size_t i = 0; i < n; i += kStep) {
      const Vec v = Vec::load_n(x + i, n - i);
      squares = Vec::fma(v, v, squares);
    }
    const float mean = squares.sum() / static_cast<float>(n);
    const Vec inverse = Vec::set1(1.0F / std::sqrt(mean + args.eps));
    for (size_t i = 0; i < n; i += kStep) {
      const Vec v = Vec::load_n(x + i, n - i) * inverse * Vec::load_n(args.weight + i, n - i);
      v.store_n(out + i, n - i);
    }
  }
}

// Products and one sum per element, never fused, so the compiler may vectorise it freely.
void simd_rope(const RopeArgs& args) {
  const size_t half = args.n_rotated / 2;
  const size_t step = args.interleaved ? 2 : 1;
  const size_t partner = args.interleaved ? 1 : half;
  for (size_t row = 0; row < args.n_rows; ++row) {
    const float* cos = args.cos_sin + row * 2 * half;
    const float* sin = cos + half;
    for (size_t head = 0; head < args.n_heads; ++head) {
      float* x = args.x + row * args.x_stride + head * args.head_dim;
      for (size_t i = 0; i < half; ++i) {
        const float a = x[step * i];
        const float b = x[step * i + partner];
        x[step * i] = a * cos[i] - b * sin[i];
        x[step * i + partner] = a * sin[i] + b * cos[i];
      }
    }
  }
}

void simd_add(float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; i += Vec::kLanes) {
    (Vec::load_n(x + i, n - i) + Vec::load_n(y + i, n - i)).store_n(x + i, n - i);
  }
}

void simd_add_scaled(const AddScaledArgs& args) {
  const Vec scale = Vec::set1(args.scale);
  for (size_t i = 0; i < args.n; i += Vec::kLanes) {
    const size_t left = args.n - i;
    Vec::fma(scale, Vec::load_n(args.y + i, left), Vec::load_n(args.x + i, left))
        .store_n(args.x + i, left);
  }
}

QUERN_INLINE Vec activate(Vec x, Activation activation) {
  if (activation == Activation::silu) {
    return x / (Vec::set1(1.0F) + vec_exp(Vec::zero() - x));
  }
  // Hendrycks and Gimpel's tanh form: x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
  const Vec cubic = Vec::fma(x * x * x, Vec::set1(0.044715F), x);
  return x * Vec::set1(0.5F) * (Vec::set1(1.0F) + vec_tanh(cubic * Vec::set1(0.7978845608F)));
}

void simd_gated(const GatedArgs& args) {
  for (size_t i = 0; i < args.n; i += Vec::kLanes) {
    const size_t left = args.n - i;
    const Vec gate = activate(Vec::load_n(args.gate + i, left), args.activation);
    (gate * Vec::load_n(args.up + i, left)).store_n(args.out + i, left);
  }
}

// Converts head_dim values at `x` to f16 at `out`, head_stride of them, the rest zero. Values
// beyond f16's range saturate: an infinite value times the weight 0 of a query that does not see it
// would be NaN.
QUERN_INLINE void to_f16(const float* x, uint16_t* out, const KvLayer& layer) {
  for (size_t d = 0; d < layer.head_stride; d += Vec::kLanes) {
    const size_t left = layer.head_dim > d ? layer.head_dim - d : 0;
    const Vec limit = Vec::set1(65504.0F);
    Vec::max(Vec::zero() - limit, Vec::min(limit, Vec::load_n(x + d, left))).store_f16(out + d);
  }
}

// 32 values to 8 bits; returns the scale.
QUERN_INLINE float to_i8(const float* x, size_t n, int8_t* out) {
  Vec max = Vec::zero();
  for (size_t i = 0; i < 32; i += Vec::kLanes) {
    max = Vec::max(max, Vec::abs(Vec::load_n(x + i, n > i ? n - i : 0)));
  }
  const float scale = max.max() / 127.0F;
  const Vec inverse = Vec::set1(scale >= 1e-32F ? 1.0F / scale : 0.0F);
  for (size_t i = 0; i < 32; i += Vec::kLanes) {
    (Vec::load_n(x + i, n > i ? n - i : 0) * inverse).store_i8(out + i);
  }
  return scale;
}

constexpr size_t kBlockSlots = 16;       // tokens a KV block holds
constexpr size_t kMaxHeadStride = 1024;  // checked when KV storage is made

void write_head_f16(const KvWriteArgs& args, size_t head, size_t offset) {
  const KvLayer& layer = args.layer;
  uint16_t row[kMaxHeadStride];
  to_f16(args.k + head * layer.head_dim, row, layer);
  auto* k = reinterpret_cast<uint16_t*>(layer.k + offset) + args.slot;
  for (size_t d = 0; d < layer.head_stride; ++d) {
    k[d * kBlockSlots] = row[d];
  }
  to_f16(args.v + head * layer.head_dim,
         reinterpret_cast<uint16_t*>(layer.v + offset) + size_t{args.slot} * layer.head_stride,
         layer);
}

void write_head_f32(const KvWriteArgs& args, size_t head, size_t offset) {
  const KvLayer& layer = args.layer;
  const float* k_row = args.k + head * layer.head_dim;
  const float* v_row = args.v + head * layer.head_dim;
  auto* k = reinterpret_cast<float*>(layer.k + offset) + args.slot;
  auto* v = reinterpret_cast<float*>(layer.v + offset) + size_t{args.slot} * layer.head_stride;
  for (size_t d = 0; d < layer.head_stride; ++d) {
    k[d * kBlockSlots] = d < layer.head_dim ? k_row[d] : 0.0F;
    v[d] = d < layer.head_dim ? v_row[d] : 0.0F;
  }
}

void write_head_q8(const KvWriteArgs& args, size_t head, size_t offset) {
  const KvLayer& layer = args.layer;
  const size_t n_scales = layer.head_stride / 32;
  auto* k_scales = reinterpret_cast<float*>(layer.k + offset);
  auto* v_scales = reinterpret_cast<float*>(layer.v + offset);
  auto* k_codes = reinterpret_cast<int8_t*>(k_scales + n_scales * kBlockSlots) + args.slot;
  auto* v_codes = reinterpret_cast<int8_t*>(v_scales + n_scales * kBlockSlots) +
                  size_t{args.slot} * layer.head_stride;
  for (size_t s = 0; s < n_scales; ++s) {
    const size_t left = layer.head_dim > 32 * s ? layer.head_dim - 32 * s : 0;
    const size_t from = head * layer.head_dim + 32 * s;
    int8_t codes[32];
    k_scales[s * kBlockSlots + args.slot] = to_i8(args.k + from, left, codes);
    for (size_t d = 0; d < 32; ++d) {
      k_codes[(32 * s + d) * kBlockSlots] = codes[d];
    }
    v_scales[args.slot * n_scales + s] = to_i8(args.v + from, left, v_codes + 32 * s);
  }
}

void simd_kv_write(const KvWriteArgs& args) {
  const KvLayer& layer = args.layer;
  for (size_t head = 0; head < layer.n_kv_heads; ++head) {
    const size_t offset = layer.offset(args.block, head);
    switch (layer.type) {
      case KvDType::f16:
        write_head_f16(args, head, offset);
        break;
      case KvDType::f32:
        write_head_f32(args, head, offset);
        break;
      case KvDType::q8_0:
        write_head_q8(args, head, offset);
        break;
    }
  }
}

}  // namespace
}  // namespace quern
