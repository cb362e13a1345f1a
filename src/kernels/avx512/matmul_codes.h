// Matmul of packed quantised weights with quantised activations, AVX-512 VNNI.
//
// One arithmetic for every path, which is what makes results independent of the batch: per 32
// columns an exact integer dot product, then in f32, in column order,
//   acc = fma(dot * s, d, acc) [, acc = fma(m, d * sum, acc)]     (two of each where a format has
//   16-column scales)
// Lanes are rows and registers are tokens, so no sum ever crosses lanes. `Direct` unpacks weights
// in registers (few tokens); `Tile` reads codes that were unpacked once to scratch (many tokens).
// The dot product starts from an integer whose bits are a large float plus the bias correction: the
// sum's bits then are the float, and one subtraction replaces a conversion. |sum| <= 32 * 128 * 127
// < 2^22.
#pragma once

#include <immintrin.h>

#include "kernels/avx512/formats.h"
#include "kernels/kernel_table.h"

namespace quern {
namespace {

constexpr int kMaxT = static_cast<int>(kTileTokens);
constexpr int32_t kMagicBits = 0x4B400000;  // 1.5 * 2^23
constexpr float kMagic = 12582912.0F;
constexpr int kPairRows = 2 * kPanelRows;

// Per-token numbers of a group, T beside each other: one entry per 32 columns (or per 16 where
// kSub16).
struct GroupTables {
  int32_t* start;   // kMagicBits - kBias * sum of codes
  float* weighted;  // d * sum of codes, where kHasMin
};

// Per-row numbers that a Tile holds ready.
struct TileScales {
  float* s;
  float* m;
};

template <class F>
constexpr int kSubs = F::kSub16 ? 2 : 1;

template <class F, int T>
QUERN_INLINE void fill_group_tables(const int32_t* sums, const float* d, int n_blocks,
                                    const GroupTables& tables) {
  for (int b = 0; b < n_blocks; ++b) {
    for (int t = 0; t < T; ++t) {
      const int32_t first = sums[(2 * b) * T + t];
      const int32_t second = sums[(2 * b + 1) * T + t];
      if constexpr (F::kSub16) {
        tables.start[(2 * b) * T + t] = kMagicBits - F::kBias * first;
        tables.start[(2 * b + 1) * T + t] = kMagicBits - F::kBias * second;
        if constexpr (F::kHasMin) {
          tables.weighted[(2 * b) * T + t] = d[b * T + t] * static_cast<float>(first);
          tables.weighted[(2 * b + 1) * T + t] = d[b * T + t] * static_cast<float>(second);
        }
      } else {
        tables.start[b * T + t] = kMagicBits - F::kBias * (first + second);
        if constexpr (F::kHasMin) {
          tables.weighted[b * T + t] = d[b * T + t] * static_cast<float>(first + second);
        }
      }
    }
  }
}

// What one 32-column block of a group needs of the activations.
template <class F, int T>
struct BlockInput {
  const int8_t* codes;
  const float* d;
  const int32_t* start;
  const float* weighted;
};

template <class F, int T>
QUERN_INLINE BlockInput<F, T> block_input(const int8_t* codes, const float* d,
                                          const GroupTables& tables, int b) {
  return {codes + size_t{32} * static_cast<size_t>(b) * T, d + b * T,
          tables.start + b * kSubs<F> * T, tables.weighted + b * kSubs<F> * T};
}

QUERN_INLINE __m512i broadcast_code(const int8_t* codes, int index) {
  int32_t four;
  __builtin_memcpy(&four, codes + 4 * index, 4);
  return _mm512_set1_epi32(four);
}
QUERN_INLINE __m512 to_float(__m512i sum) {
  return _mm512_sub_ps(_mm512_castsi512_ps(sum), _mm512_set1_ps(kMagic));
}

// The float part for one row register and one token, in two steps; the only place where it is
// written. `scaled` holds the sum over the scales before h.
template <int kH>
QUERN_INLINE __m512 scale_sum(__m512 scaled, __m512i sum, __m512 s) {
  return kH == 0 ? _mm512_mul_ps(to_float(sum), s) : _mm512_fmadd_ps(to_float(sum), s, scaled);
}
template <class F, int T>
QUERN_INLINE __m512 accumulate(__m512 acc, __m512 scaled, const Scales& w,
                               const BlockInput<F, T>& x, int t) {
  acc = _mm512_fmadd_ps(scaled, _mm512_set1_ps(x.d[t]), acc);
  if constexpr (F::kHasMin) {
    acc = _mm512_fmadd_ps(w.m[0], _mm512_set1_ps(x.weighted[t]), acc);
    if constexpr (F::kSub16) {
      acc = _mm512_fmadd_ps(w.m[1], _mm512_set1_ps(x.weighted[T + t]), acc);
    }
  }
  return acc;
}

// ---- Direct: weights unpacked in registers ----

template <class F, int I, int T>
QUERN_INLINE void direct_block(const uint8_t* unit, const BlockInput<F, T>& x, __m512 (&acc)[T]) {
  __m512i q[8];
  Scales w;
  F::template codes<I>(unit, q);
  F::template scales<I>(unit, w);
  constexpr int kPerSub = F::kSub16 ? 4 : 8;
  for (int t = 0; t < T; ++t) {
    __m512i sums[kSubs<F>];
    for (int h = 0; h < kSubs<F>; ++h) {
      sums[h] = _mm512_set1_epi32(x.start[h * T + t]);
      for (int j = h * kPerSub; j < (h + 1) * kPerSub; ++j) {
        sums[h] = _mm512_dpbusd_epi32(sums[h], q[j], broadcast_code(x.codes, j * T + t));
      }
    }
    __m512 scaled = scale_sum<0>(_mm512_setzero_ps(), sums[0], w.s[0]);
    if constexpr (F::kSub16) {
      scaled = scale_sum<1>(scaled, sums[1], w.s[1]);
    }
    acc[t] = accumulate<F, T>(acc[t], scaled, w, x, t);
  }
}

// A unit of one panel, all its 32-column blocks in order.
template <class F, int T, int... I>
QUERN_INLINE void direct_unit(const uint8_t* unit, const BlockInput<F, T>* x, __m512 (&acc)[T]) {
  (direct_block<F, I, T>(unit, x[I], acc), ...);
}

template <class F, int T>
struct DirectRows {
  const uint8_t* panel;
  int n_blocks;
  const int8_t* codes;
  const float* d;
  GroupTables tables;
};

template <class F, int T>
QUERN_INLINE void direct_panel(const DirectRows<F, T>& in, __m512 (&acc)[T]) {
  constexpr int kBlocks = F::kElements / 32;
  const uint8_t* unit = in.panel;
  for (int b = 0; b < in.n_blocks; b += kBlocks, unit += F::kBytes) {
    BlockInput<F, T> x[kBlocks];
    for (int i = 0; i < kBlocks; ++i) {
      x[i] = block_input<F, T>(in.codes, in.d, in.tables, b + i);
    }
    // Far enough ahead that a core's own stream of a few lines in flight never runs dry.
    for (int line = 0; line < F::kBytes; line += 64) {
      _mm_prefetch(reinterpret_cast<const char*>(unit + 2048 + line), _MM_HINT_T0);
    }
    if constexpr (kBlocks == 1) {
      direct_unit<F, T, 0>(unit, x, acc);
    } else {
      direct_unit<F, T, 0, 1, 2, 3, 4, 5, 6, 7>(unit, x, acc);
    }
  }
}

// ---- Tile: codes unpacked to scratch, two panels beside each other ----

template <class F, int I>
QUERN_INLINE void unpack_block(const uint8_t* unit, int panel, uint8_t* codes,
                               const TileScales& scales) {
  __m512i q[8];
  Scales w;
  F::template codes<I>(unit, q);
  F::template scales<I>(unit, w);
  for (int j = 0; j < 8; ++j) {
    _mm512_store_si512(codes + 128 * (8 * I + j) + 64 * panel, q[j]);
  }
  for (int h = 0; h < kSubs<F>; ++h) {
    const int at = (I * kSubs<F> + h) * kPairRows + panel * kPanelRows;
    _mm512_store_ps(scales.s + at, w.s[h]);
    if constexpr (F::kHasMin) {
      _mm512_store_ps(scales.m + at, w.m[h]);
    }
  }
}

template <class F, int... I>
QUERN_INLINE void unpack_unit(const uint8_t* unit, int panel, uint8_t* codes,
                              const TileScales& scales) {
  (unpack_block<F, I>(unit, panel, codes, scales), ...);
}

// codes: [n_columns / 4][2 panels][16 rows][4]; scales: [subs][32 rows].
template <class F>
void unpack_pair(const uint8_t* pair, int n_columns, uint8_t* codes, TileScales scales) {
  const int n_units = n_columns / F::kElements;
  for (int panel = 0; panel < 2; ++panel) {
    for (int u = 0; u < n_units; ++u) {
      const uint8_t* unit = pair + (static_cast<size_t>(panel) * static_cast<size_t>(n_units) +
                                    static_cast<size_t>(u)) *
                                       F::kBytes;
      uint8_t* out = codes + static_cast<size_t>(u) * F::kElements * kPairRows;
      const size_t at = static_cast<size_t>(u) * (F::kElements / 32) * kSubs<F> * kPairRows;
      const TileScales shifted{scales.s + at, scales.m + at};
      if constexpr (F::kElements == 32) {
        unpack_unit<F, 0>(unit, panel, out, shifted);
      } else {
        unpack_unit<F, 0, 1, 2, 3, 4, 5, 6, 7>(unit, panel, out, shifted);
      }
    }
  }
}

// One scale's columns: their sums go into `scaled` before the next scale's start, so that 12 of
// each fit the registers.
template <class F, int T, int kH>
QUERN_INLINE void tile_scaled(const uint8_t* codes, const float* s, const BlockInput<F, T>& x,
                              __m512 (&scaled)[2][T]) {
  constexpr int kPerSub = F::kSub16 ? 4 : 8;
  __m512i sums[2][T];
  for (int t = 0; t < T; ++t) {
    sums[0][t] = sums[1][t] = _mm512_set1_epi32(x.start[kH * T + t]);
  }
#pragma GCC unroll 8
  for (int j = kH * kPerSub; j < (kH + 1) * kPerSub; ++j) {
    const __m512i w0 = _mm512_load_si512(codes + 128 * j);
    const __m512i w1 = _mm512_load_si512(codes + 128 * j + 64);
    for (int t = 0; t < T; ++t) {
      const __m512i a = broadcast_code(x.codes, j * T + t);
      sums[0][t] = _mm512_dpbusd_epi32(sums[0][t], w0, a);
      sums[1][t] = _mm512_dpbusd_epi32(sums[1][t], w1, a);
    }
  }
  for (int panel = 0; panel < 2; ++panel) {
    const __m512 scale = _mm512_load_ps(s + kH * kPairRows + panel * kPanelRows);
    for (int t = 0; t < T; ++t) {
      scaled[panel][t] = scale_sum<kH>(scaled[panel][t], sums[panel][t], scale);
    }
  }
}

template <class F, int T>
QUERN_INLINE void tile_block(const uint8_t* codes, const TileScales& scales,
                             const BlockInput<F, T>& x, __m512 (&acc)[2][T]) {
  __m512 scaled[2][T];
  tile_scaled<F, T, 0>(codes, scales.s, x, scaled);
  if constexpr (F::kSub16) {
    tile_scaled<F, T, 1>(codes, scales.s, x, scaled);
  }
  for (int panel = 0; panel < 2; ++panel) {
    Scales w;
    if constexpr (F::kHasMin) {
      for (int h = 0; h < kSubs<F>; ++h) {
        w.m[h] = _mm512_load_ps(scales.m + h * kPairRows + panel * kPanelRows);
      }
    }
    for (int t = 0; t < T; ++t) {
      acc[panel][t] = accumulate<F, T>(acc[panel][t], scaled[panel][t], w, x, t);
    }
  }
}

template <class F>
constexpr size_t kCodeBytes = 1;
// Unpacked tiles that share one pass over the activations; together about a third of a 1 MiB L2.
constexpr size_t kUnpackedBytes = size_t{320} * 1024;

#include "kernels/fragments/tiles.h"

struct TileInput {
  const uint8_t* codes;
  TileScales scales;
  int n_blocks;
  const int8_t* x_codes;
  const float* d;
  GroupTables tables;
  Ahead ahead;
};

template <class F, int T>
void tile_group(const TileInput& in, __m512 (&acc)[2][T]) {
  Ahead ahead = in.ahead;
  for (int b = 0; b < in.n_blocks; ++b) {
    fetch_some(ahead);
    const size_t at = static_cast<size_t>(b) * kSubs<F> * kPairRows;
    tile_block<F, T>(in.codes + static_cast<size_t>(b) * 32 * kPairRows,
                     {in.scales.s + at, in.scales.m + at},
                     block_input<F, T>(in.x_codes, in.d, in.tables, b), acc);
  }
}

// ---- The driver: rows [first_tile * 32, last_tile * 32) for all tokens ----

template <int T>
QUERN_INLINE void store_panel(const OutputRows& to, int panel, const __m512 (&acc)[T]) {
  const int row = to.first_row + panel * kPanelRows;
  const int left = to.n_rows - row;
  if (left <= 0) {
    return;
  }
  const auto mask = static_cast<__mmask16>(left >= kPanelRows ? 0xFFFF : (1 << left) - 1);
  const __m512 bias =
      to.bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask, to.bias + row);
  const int step = to.paired ? 2 : 1;
  float* out = to.out + row;
  for (int t = 0; t < T; t += step, out += to.stride) {
    __m512 sum = acc[t];
    if (to.paired && t + 1 < T) {
      sum = _mm512_add_ps(sum, acc[t + 1]);
    }
    _mm512_mask_storeu_ps(out, mask, to.bias == nullptr ? sum : _mm512_add_ps(sum, bias));
  }
}

// A thread's scratch: group tables first, then the unpacked tiles.
struct Scratch {
  GroupTables tables;
  TileScales scales;
  uint8_t* codes;
};

QUERN_INLINE Scratch carve_scratch(std::byte* scratch, size_t n_columns) {
  const size_t scale_bytes = tile_scale_floats(n_columns) * 4 * tiles_at_once(n_columns);
  auto* p = reinterpret_cast<uint8_t*>(scratch);
  Scratch s;
  s.tables.start = reinterpret_cast<int32_t*>(p);
  p += table_bytes(n_columns);
  s.tables.weighted = reinterpret_cast<float*>(p);
  p += table_bytes(n_columns);
  s.scales.s = reinterpret_cast<float*>(p);
  p += scale_bytes;
  s.scales.m = reinterpret_cast<float*>(p);
  s.codes = p + scale_bytes;
  return s;
}

// One tile of rows for one group of T tokens whose tables are filled.
template <class F, int T>
void direct_tile(const MatmulArgs& args, const GroupTables& tables, uint32_t tile, size_t token) {
  const size_t n_columns = args.n_columns;
  const size_t panel_bytes = n_columns / F::kElements * F::kBytes;
  const OutputRows to = output_rows(args, tile, token);
  for (int panel = 0; panel < 2; ++panel) {
    __m512 acc[T];
    for (__m512& a : acc) {
      a = _mm512_setzero_ps();
    }
    const uint8_t* weights = tile_weights<F>(args, tile) + static_cast<size_t>(panel) * panel_bytes;
    direct_panel<F, T>({weights, static_cast<int>(n_columns / 32), args.x.codes + token * n_columns,
                        args.x.scales + token * n_columns / 32, tables},
                       acc);
    store_panel<T>(to, panel, acc);
  }
}

template <class F, int T>
void fill_tables(const MatmulArgs& args, const GroupTables& tables, size_t token) {
  const size_t n_columns = args.n_columns;
  fill_group_tables<F, T>(args.x.sums + token * n_columns / 16,
                          args.x.scales + token * n_columns / 32, static_cast<int>(n_columns / 32),
                          tables);
}

template <class F, int T>
void direct_matmul(const MatmulArgs& args) {
  const GroupTables tables = carve_scratch(args.scratch, args.n_columns).tables;
  fill_tables<F, T>(args, tables, 0);
  for (uint32_t tile = args.first_tile; tile < args.last_tile; ++tile) {
    direct_tile<F, T>(args, tables, tile, 0);
  }
}

// For a group and a part of a second one, the last of T tokens, unpacking a tile twice while it is
// in the cache is cheaper than the way through scratch, but for formats whose unpacking is dear.
// The groups' tables lie where unpacked codes would.
template <class F>
constexpr uint32_t kDirectTokens = 2 * kTileTokens - 1;
template <>
constexpr uint32_t kDirectTokens<FormatQ5K> = kTileTokens;
template <>
constexpr uint32_t kDirectTokens<FormatQ6K> = kTileTokens;
template <class F, int T>
void direct_groups(const MatmulArgs& args) {
  const Scratch scratch = carve_scratch(args.scratch, args.n_columns);
  const size_t n_bytes = table_bytes(args.n_columns);
  const size_t n_full = (args.n_tokens - T) / kTileTokens;
  GroupTables tables[2];
  for (size_t g = 0; g <= n_full; ++g) {
    uint8_t* at = scratch.codes + 2 * g * n_bytes;
    tables[g] = {reinterpret_cast<int32_t*>(at), reinterpret_cast<float*>(at + n_bytes)};
    if (g < n_full) {
      fill_tables<F, kMaxT>(args, tables[g], g * kTileTokens);
    } else {
      fill_tables<F, T>(args, tables[g], g * kTileTokens);
    }
  }
  for (uint32_t tile = args.first_tile; tile < args.last_tile; ++tile) {
    for (size_t g = 0; g < n_full; ++g) {
      direct_tile<F, kMaxT>(args, tables[g], tile, g * kTileTokens);
    }
    direct_tile<F, T>(args, tables[n_full], tile, n_full * kTileTokens);
  }
}

// One group of T tokens against the tiles that lie unpacked in scratch.
template <class F, int T>
void tiled_group(const MatmulArgs& args, const Scratch& scratch, const UnpackedTiles& unpacked,
                 size_t token) {
  const TileRange tiles = unpacked.tiles;
  const size_t n_columns = args.n_columns;
  const int n_blocks = static_cast<int>(n_columns / 32);
  const float* d = args.x.scales + token * n_columns / 32;
  fill_group_tables<F, T>(args.x.sums + token * n_columns / 16, d, n_blocks, scratch.tables);
  const size_t tile_scales = tile_scale_floats(n_columns);
  for (uint32_t tile = tiles.first; tile < tiles.last; ++tile) {
    const size_t slot = tile - tiles.first;
    __m512 acc[2][T];
    for (int t = 0; t < T; ++t) {
      acc[0][t] = acc[1][t] = _mm512_setzero_ps();
    }
    tile_group<F, T>(
        {scratch.codes + slot * n_columns * kPairRows,
         {scratch.scales.s + slot * tile_scales, scratch.scales.m + slot * tile_scales},
         n_blocks,
         args.x.codes + token * n_columns,
         d,
         scratch.tables,
         unpacked.ahead},
        acc);
    const OutputRows to = output_rows(args, tile, token);
    store_panel<T>(to, 0, acc[0]);
    store_panel<T>(to, 1, acc[1]);
  }
}

#include "kernels/fragments/tiled_matmul.h"

template <class F, int T>
void few_tokens(const MatmulArgs& args) {
  if (args.n_tokens == T) {
    direct_matmul<F, T>(args);
  } else {
    direct_groups<F, T>(args);
  }
}

template <class F>
void matmul_codes(const MatmulArgs& args) {
  if (args.n_tokens > kDirectTokens<F>) {
    return tiled_matmul<F>(args);
  }
  switch (args.n_tokens % kTileTokens) {
    case 1:
      return few_tokens<F, 1>(args);
    case 2:
      return few_tokens<F, 2>(args);
    case 3:
      return few_tokens<F, 3>(args);
    case 4:
      return few_tokens<F, 4>(args);
    case 5:
      return few_tokens<F, 5>(args);
    default:
      return few_tokens<F, 6>(args);
  }
}

}  // namespace
}  // namespace quern
