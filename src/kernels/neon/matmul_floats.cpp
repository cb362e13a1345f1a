// Matmul of packed plain weights with f32 activations: per row and token one chain of fused
// multiply-adds in column order, whatever the batch. Lanes are rows.
#include "kernels/neon/registers.h"
#include "kernels/neon/tables.h"

namespace quern::neon {
namespace {

struct WeightF32 {
  static constexpr size_t kBytes = 4;
  QUERN_INLINE RowFloats load(const uint8_t* p) {
    return load_f32(reinterpret_cast<const float*>(p));
  }
};
struct WeightF16 {
  static constexpr size_t kBytes = 2;
  QUERN_INLINE RowFloats load(const uint8_t* p) { return load_f16(p); }
};
struct WeightBf16 {
  static constexpr size_t kBytes = 2;
  QUERN_INLINE RowFloats load(const uint8_t* p) {
    const uint16x8_t brains = load_u16(p);
    return {{vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(brains), 16)),
             vreinterpretq_f32_u32(vshll_high_n_u16(brains, 16))}};
  }
};

// kTiles panels for one group of T tokens.
#include "kernels/fragments/float_part.h"

template <class W, int kTiles, int T>
void group(const MatmulArgs& args, const Part& part) {
  const uint32_t tile = part.tile;
  const size_t token = part.token;
  const size_t n_columns = args.n_columns;
  const size_t panel_bytes = n_columns * kPanelRows * W::kBytes;
  const auto* weights = reinterpret_cast<const uint8_t*>(args.weights) + size_t{tile} * panel_bytes;
  const float* x = args.x.floats + token * n_columns;
  RowFloats acc[kTiles][T];
  for (auto& panel : acc) {
    for (RowFloats& a : panel) {
      a = {{vdupq_n_f32(0), vdupq_n_f32(0)}};
    }
  }
  for (size_t k = 0; k < n_columns; ++k) {
    for (int p = 0; p < kTiles; ++p) {
      const RowFloats w =
          W::load(weights + static_cast<size_t>(p) * panel_bytes + k * kPanelRows * W::kBytes);
      for (int t = 0; t < T; ++t) {
        const float32x4_t a = vdupq_n_f32(x[k * T + static_cast<size_t>(t)]);
        acc[p][t].v[0] = vfmaq_f32(acc[p][t].v[0], w.v[0], a);
        acc[p][t].v[1] = vfmaq_f32(acc[p][t].v[1], w.v[1], a);
      }
    }
  }
  for (int p = 0; p < kTiles; ++p) {
    const size_t row = (size_t{tile} + static_cast<size_t>(p)) * kPanelRows;
    if (row >= args.n_rows) {
      return;
    }
    for (int t = 0; t < T; ++t) {
      store_rows(args.out + (token + static_cast<size_t>(t)) * args.out_stride + row,
                 args.bias == nullptr ? nullptr : args.bias + row,
                 static_cast<int>(args.n_rows - row), acc[p][t]);
    }
  }
}

template <int T>
constexpr uint32_t kTilesAtOnce = T == 1 ? 4 : (T <= 3 ? 2 : 1);

constexpr size_t kColumnsAtOnce = SIZE_MAX;  // all: a tile at a time is what was measured best
template <class W>
constexpr uint32_t kTilesAPass = 1;

#include "kernels/fragments/matmul_floats.h"

}  // namespace

void matmul_f32(const MatmulArgs& args) {
  matmul<WeightF32>(args);
}
void matmul_f16(const MatmulArgs& args) {
  matmul<WeightF16>(args);
}
void matmul_bf16(const MatmulArgs& args) {
  matmul<WeightBf16>(args);
}

}  // namespace quern::neon
