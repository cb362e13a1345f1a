// Matmul of packed plain weights with f32 activations: per row and token one chain of fused
// multiply-adds in column order, whatever the batch. Lanes are rows.
#include <immintrin.h>

#include "kernels/avx512/tables.h"

namespace quern::avx512 {
namespace {

constexpr int kLanes = 16;
constexpr int kTileRows = 2 * kLanes;

struct WeightF32 {
  static constexpr size_t kBytes = 4;
  static __m512 load(const std::byte* p) { return _mm512_loadu_ps(p); }
};
struct WeightF16 {
  static constexpr size_t kBytes = 2;
  static __m512 load(const std::byte* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
};
struct WeightBf16 {
  static constexpr size_t kBytes = 2;
  static __m512 load(const std::byte* p) {
    const __m512i wide =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
  }
};

void store(const MatmulArgs& args, size_t token, uint32_t row, __m512 value) {
  const uint32_t left = args.n_rows > row ? args.n_rows - row : 0;
  const auto mask = static_cast<__mmask16>(left >= kLanes ? 0xFFFF : (1U << left) - 1);
  if (args.bias != nullptr) {
    value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, args.bias + row));
  }
  _mm512_mask_storeu_ps(args.out + token * args.out_stride + row, mask, value);
}

#include "kernels/fragments/float_part.h"

// kTiles tiles of two panels for one group of T tokens.
template <class W, int kTiles, int T>
void group(const MatmulArgs& args, const Part& part) {
  const uint32_t tile = part.tile;
  const size_t token = part.token;
  const size_t n_columns = args.n_columns;
  const size_t panel_bytes = n_columns * kLanes * W::kBytes;
  const std::byte* weights = args.weights + size_t{tile} * 2 * panel_bytes;
  const float* x = args.x.floats + token * n_columns;
  __m512 acc[2 * kTiles][T];
  for (auto& panel : acc) {
    for (__m512& a : panel) {
      a = _mm512_setzero_ps();
    }
  }
  for (size_t k = 0; k < n_columns; ++k) {
    for (int p = 0; p < 2 * kTiles; ++p) {
      const __m512 w =
          W::load(weights + static_cast<size_t>(p) * panel_bytes + k * kLanes * W::kBytes);
      for (int t = 0; t < T; ++t) {
        acc[p][t] =
            _mm512_fmadd_ps(w, _mm512_set1_ps(x[k * T + static_cast<size_t>(t)]), acc[p][t]);
      }
    }
  }
  for (int p = 0; p < 2 * kTiles; ++p) {
    for (int t = 0; t < T; ++t) {
      store(args, token + static_cast<size_t>(t),
            tile * kTileRows + static_cast<uint32_t>(p) * kLanes, acc[p][t]);
    }
  }
}

template <int T>
constexpr uint32_t kTilesAtOnce = T <= 3 ? 2 : 1;

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

}  // namespace quern::avx512
