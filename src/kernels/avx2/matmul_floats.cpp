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

void store(const MatmulArgs& args, size_t token, uint32_t row, __m256 value) {
  const __m256i mask = first_lanes(static_cast<int>(args.n_rows) - static_cast<int>(row));
  if (args.bias != nullptr) {
    value = _mm256_add_ps(value, _mm256_maskload_ps(args.bias + row, mask));
  }
  _mm256_maskstore_ps(args.out + token * args.out_stride + row, mask, value);
}

// kTiles tiles of two panels for one group of T tokens.
template <class W, int kTiles, int T>
void group(const MatmulArgs& args, uint32_t tile, size_t token) {
  const size_t n_columns = args.n_columns;
  const size_t panel_bytes = n_columns * kPanelRows * W::kBytes;
  const auto* weights =
      reinterpret_cast<const uint8_t*>(args.weights) + size_t{tile} * 2 * panel_bytes;
  const float* x = args.x.floats + token * n_columns;
  __m256 acc[2 * kTiles][T];
  for (auto& panel : acc) {
    for (__m256& a : panel) {
      a = _mm256_setzero_ps();
    }
  }
  for (size_t k = 0; k < n_columns; ++k) {
    for (int p = 0; p < 2 * kTiles; ++p) {
      const __m256 w =
          W::load(weights + static_cast<size_t>(p) * panel_bytes + k * kPanelRows * W::kBytes);
      for (int t = 0; t < T; ++t) {
        acc[p][t] =
            _mm256_fmadd_ps(w, _mm256_set1_ps(x[k * T + static_cast<size_t>(t)]), acc[p][t]);
      }
    }
  }
  for (int p = 0; p < 2 * kTiles; ++p) {
    for (int t = 0; t < T; ++t) {
      store(args, token + static_cast<size_t>(t),
            tile * kPairRows + static_cast<uint32_t>(p) * kPanelRows, acc[p][t]);
    }
  }
}

template <int T>
constexpr uint32_t kTilesAtOnce = T == 1 ? 4 : (T <= 3 ? 2 : 1);

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
