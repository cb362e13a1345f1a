// Matmul of packed plain weights with f32 activations: per row and token one chain of fused
// multiply-adds in column order, whatever the batch. Lanes are rows.
#include "kernels/avx2/registers.h"
#include "kernels/avx2/tables.h"

namespace quern::avx2 {
namespace {

struct WeightF32 {
  static constexpr size_t kBytes = 4;
  QUERN_INLINE __m256 load(const uint8_t* p) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(p));
  }
};
struct WeightF16 {
  static constexpr size_t kBytes = 2;
  QUERN_INLINE __m256 load(const uint8_t* p) { return load_f16(p); }
};
struct WeightBf16 {
  static constexpr size_t kBytes = 2;
  QUERN_INLINE __m256 load(const uint8_t* p) {
    const __m256i wide =
        _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
  }
};

#include "kernels/fragments/float_part.h"

// Where the sums of one panel and token are, as long as columns are left and in the end.
struct Sums {
  float* out;
  const float* bias;
  int n_rows;  // that the panel has, may be none
};

Sums sums_of(const MatmulArgs& args, uint32_t row, size_t token) {
  return {args.out + token * args.out_stride + row,
          args.bias == nullptr ? nullptr : args.bias + row,
          static_cast<int>(args.n_rows) - static_cast<int>(row)};
}

// One column: the first panel's weights, those of the next one further on, and T tokens.
struct Column {
  const uint8_t* weights;
  size_t panel_bytes;
  const float* x;
};

// acc += w * x. Whichever of weights and tokens there are fewer of stays in registers: all of both
// are more than there are beside the accumulators.
template <class W, int kPanels, int T>
QUERN_INLINE void add_column(const Column& at, __m256 (&acc)[kPanels][T]) {
  __m256 kept[T < kPanels ? T : kPanels];
  if constexpr (T < kPanels) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      kept[t] = _mm256_broadcast_ss(at.x + t);
    }
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) {
      __m256 one = W::load(at.weights + static_cast<size_t>(p) * at.panel_bytes);
      settle(one);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        acc[p][t] = _mm256_fmadd_ps(one, kept[t], acc[p][t]);
      }
    }
  } else {
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) {
      kept[p] = W::load(at.weights + static_cast<size_t>(p) * at.panel_bytes);
    }
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      __m256 one = _mm256_broadcast_ss(at.x + t);
      settle(one);
#pragma GCC unroll 8
      for (int p = 0; p < kPanels; ++p) {
        acc[p][t] = _mm256_fmadd_ps(kept[p], one, acc[p][t]);
      }
    }
  }
}

// kTiles tiles of two panels for one group of T tokens.
template <class W, int kTiles, int T>
void group(const MatmulArgs& args, const Part& part) {
  constexpr int kPanels = 2 * kTiles;
  const size_t n_columns = args.n_columns;
  const size_t panel_bytes = n_columns * kPanelRows * W::kBytes;
  const auto* weights =
      reinterpret_cast<const uint8_t*>(args.weights) + size_t{part.tile} * 2 * panel_bytes;
  const float* x = args.x.floats + part.token * n_columns;
  const uint32_t row = part.tile * kPairRows;
  __m256 acc[kPanels][T];
#pragma GCC unroll 8
  for (int p = 0; p < kPanels; ++p) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      const Sums at = sums_of(args, row + static_cast<uint32_t>(p) * kPanelRows,
                              part.token + static_cast<size_t>(t));
      acc[p][t] = part.first_column == 0 ? _mm256_setzero_ps() : load_floats(at.out, at.n_rows);
    }
  }
  const auto add = [&](size_t k) {
    add_column<W>({weights + k * kPanelRows * W::kBytes, panel_bytes, x + k * T}, acc);
  };
  constexpr size_t kStep =
      8 / W::kBytes;  // columns a round: the loop's own work is a tenth otherwise
  size_t k = part.first_column;
  for (; k + kStep <= part.last_column; k += kStep) {
#pragma GCC unroll 4
    for (size_t i = 0; i < kStep; ++i) {
      add(k + i);
    }
  }
  for (; k < part.last_column; ++k) {
    add(k);
  }
  const bool is_last = part.last_column == n_columns;
#pragma GCC unroll 8
  for (int p = 0; p < kPanels; ++p) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      const Sums at = sums_of(args, row + static_cast<uint32_t>(p) * kPanelRows,
                              part.token + static_cast<size_t>(t));
      const bool has_bias = is_last && at.bias != nullptr;
      store_floats(
          at.out, at.n_rows,
          has_bias ? _mm256_add_ps(acc[p][t], load_floats(at.bias, at.n_rows)) : acc[p][t]);
    }
  }
}

template <int T>
constexpr uint32_t kTilesAtOnce = T == 1 ? 4 : (T <= 3 ? 2 : 1);
constexpr size_t kColumnsAtOnce = 512;
template <class W>
constexpr uint32_t kTilesAPass = 32 / W::kBytes;  // 256 KiB of weights

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

}  // namespace quern::avx2
