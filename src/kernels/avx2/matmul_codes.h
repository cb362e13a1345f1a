// Matmul of packed quantised weights with quantised activations, AVX2.
//
// One arithmetic for every path, which is what makes results independent of the batch: per 32
// columns an exact integer dot product, then in f32, in column order,
//   acc = fma(dot * s, d, acc) [, acc = fma(m, d * sum, acc)]     (two of each where a format has
//   16-column scales)
// Lanes are rows and registers are tokens, so no sum ever crosses lanes. `Direct` unpacks weights
// in registers (few tokens); `Tile` reads codes that were unpacked once to scratch (many tokens).
// Products of bytes are summed in 16 bits as long as they cannot overflow, then in 32. Signed codes
// go in as |code| times the activation with the code's sign; |-128| is 128 as an unsigned byte.
//
// Wide activations, of 15 bits in 16, are multiplied with codes in 16 bits too: one pass, where two
// of bytes would take twice the instructions. Only the dot product differs.
#pragma once

#include "kernels/avx2/formats.h"
#include "kernels/kernel_table.h"

namespace quern {
namespace {

constexpr int kMaxT = static_cast<int>(kTileTokens);

// Format F met by wide activations.
template <class F>
struct Wide : F {
  static constexpr CodeKind kKind = with_wide(F::kKind);
};

// Of an activation's code, and of an unpacked weight's.
template <class F>
constexpr size_t kCodeBytes = F::kKind.wide ? 2 : 1;

// Per-token numbers of a group, T beside each other: one entry per 32 columns (or per 16 where
// sub16).
struct GroupTables {
  int32_t* start;   // -kBias * sum of codes, where biased
  float* weighted;  // d * sum of codes, where has_min
};

// Per-row numbers that a Tile holds ready.
struct TileScales {
  float* s;
  float* m;
};

constexpr int n_subs(CodeKind kind) {
  return kind.sub16 ? 2 : 1;
}

template <CodeKind K, int T>
void fill_group_tables(const int32_t* sums, const float* d, int n_blocks, int bias,
                       const GroupTables& tables) {
  for (int b = 0; b < n_blocks; ++b) {
    for (int t = 0; t < T; ++t) {
      const int32_t halves[2] = {sums[(2 * b) * T + t], sums[(2 * b + 1) * T + t]};
      for (int h = 0; h < n_subs(K); ++h) {
        const int at = (b * n_subs(K) + h) * T + t;
        const int32_t sum = K.sub16 ? halves[h] : halves[0] + halves[1];
        if constexpr (K.biased) {
          tables.start[at] = -bias * sum;
        }
        if constexpr (K.has_min) {
          tables.weighted[at] = d[b * T + t] * static_cast<float>(sum);
        }
      }
    }
  }
}

// A group's activations, or what one 32-column block of it needs.
struct GroupInput {
  const int8_t* codes;
  const float* d;
  const int32_t* start;
  const float* weighted;
};

template <CodeKind K, int T>
QUERN_INLINE GroupInput block_input(const GroupInput& group, int b) {
  constexpr size_t kBlockBytes = K.wide ? 64 : 32;
  return {group.codes + kBlockBytes * static_cast<size_t>(b) * T, group.d + b * T,
          group.start + b * n_subs(K) * T, group.weighted + b * n_subs(K) * T};
}

QUERN_INLINE __m256i broadcast_code(const int8_t* codes, int index) {
  int32_t four;
  __builtin_memcpy(&four, codes + 4 * index, 4);
  return _mm256_set1_epi32(four);
}

// Sums of neighbouring pairs of products, 16 bits each.
template <CodeKind K>
QUERN_INLINE __m256i pair_sums(__m256i w, __m256i a) {
  if constexpr (K.is_signed) {
    return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w));
  } else {
    return _mm256_maddubs_epi16(w, a);
  }
}
QUERN_INLINE __m256i widen(__m256i pairs) {
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

// A lane's codes of 4 columns in 16 bits: columns 0 and 2, then columns 1 and 3.
struct WideCodes {
  __m256i even;
  __m256i odd;
};
QUERN_INLINE WideCodes wide_codes(__m256i q) {
  return {_mm256_srai_epi16(_mm256_slli_epi16(q, 8), 8), _mm256_srai_epi16(q, 8)};
}
// dot += products of 4 columns; x: of register j, see kernel_table.h and prepare.cpp.
QUERN_INLINE __m256i add_wide(__m256i dot, const WideCodes& w, const int8_t* x, int index) {
  dot = _mm256_add_epi32(dot, _mm256_madd_epi16(w.even, broadcast_code(x, 2 * index)));
  return _mm256_add_epi32(dot, _mm256_madd_epi16(w.odd, broadcast_code(x, 2 * index + 1)));
}

template <CodeKind K>
constexpr int kSubSteps = K.sub16 ? 4 : 8;  // registers per scale
template <CodeKind K>
constexpr int kSteps = K.i16_steps < kSubSteps<K> ? K.i16_steps : kSubSteps<K>;

// The float part for one row register and one token, in three steps; the only place where it is
// written. `scaled` holds the sum over the scales before kH.
template <CodeKind K>
QUERN_INLINE __m256 to_float(__m256i dot, const int32_t* start) {
  if constexpr (K.biased) {
    dot = _mm256_add_epi32(dot, _mm256_set1_epi32(*start));
  }
  return _mm256_cvtepi32_ps(dot);
}
template <int kH>
QUERN_INLINE __m256 scale_sum(__m256 scaled, __m256 sum, __m256 s) {
  return kH == 0 ? _mm256_mul_ps(sum, s) : _mm256_fmadd_ps(sum, s, scaled);
}
template <CodeKind K, int T>
QUERN_INLINE __m256 accumulate(__m256 acc, __m256 scaled, const Scales& w, const GroupInput& x,
                               int t) {
  acc = _mm256_fmadd_ps(scaled, _mm256_set1_ps(x.d[t]), acc);
  if constexpr (K.has_min) {
    for (int h = 0; h < n_subs(K); ++h) {
      acc = _mm256_fmadd_ps(w.m[h], _mm256_set1_ps(x.weighted[h * T + t]), acc);
    }
  }
  return acc;
}
// ---- Direct: weights unpacked in registers ----

template <CodeKind K, int T>
QUERN_INLINE __m256 add_block(__m256 acc, const __m256i* dots, const Scales& w, const GroupInput& x,
                              int t) {
  __m256 scaled = scale_sum<0>(_mm256_setzero_ps(), to_float<K>(dots[0], x.start + t), w.s[0]);
  if constexpr (K.sub16) {
    scaled = scale_sum<1>(scaled, to_float<K>(dots[1], x.start + T + t), w.s[1]);
  }
  return accumulate<K, T>(acc, scaled, w, x, t);
}

template <CodeKind K, int T>
QUERN_INLINE void direct_wide(const __m256i (&q)[8], const Scales& w, const GroupInput& x,
                              __m256 (&acc)[T]) {
  __m256i dots[T][2];
  for (int h = 0; h < n_subs(K); ++h) {
    for (int t = 0; t < T; ++t) {
      dots[t][h] = _mm256_setzero_si256();
    }
    for (int j = h * kSubSteps<K>; j < (h + 1) * kSubSteps<K>; ++j) {
      const WideCodes codes = wide_codes(q[j]);
      for (int t = 0; t < T; ++t) {
        dots[t][h] = add_wide(dots[t][h], codes, x.codes, j * T + t);
      }
    }
  }
  for (int t = 0; t < T; ++t) {
    acc[t] = add_block<K, T>(acc[t], dots[t], w, x, t);
  }
}

template <CodeKind K, int T>
QUERN_INLINE void direct_dot(const __m256i (&q)[8], const Scales& w, const GroupInput& x,
                             __m256 (&acc)[T]) {
  for (int t = 0; t < T; ++t) {
    __m256i dots[2];
    for (int h = 0; h < n_subs(K); ++h) {
      for (int c = 0; c < kSubSteps<K>; c += kSteps<K>) {
        const int from = h * kSubSteps<K> + c;
        __m256i pairs = pair_sums<K>(q[from], broadcast_code(x.codes, from * T + t));
        for (int j = from + 1; j < from + kSteps<K>; ++j) {
          pairs = _mm256_add_epi16(pairs, pair_sums<K>(q[j], broadcast_code(x.codes, j * T + t)));
        }
        dots[h] = c == 0 ? widen(pairs) : _mm256_add_epi32(dots[h], widen(pairs));
      }
    }
    acc[t] = add_block<K, T>(acc[t], dots, w, x, t);
  }
}

template <class F, int I, int T>
QUERN_INLINE void direct_block(const uint8_t* unit, const GroupInput& x, __m256 (&acc)[T]) {
  __m256i q[8];
  Scales w;
  F::template codes<I>(unit, q);
  F::template scales<I>(unit, w);
  if constexpr (F::kKind.wide) {
    direct_wide<F::kKind, T>(q, w, x, acc);
  } else {
    direct_dot<F::kKind, T>(q, w, x, acc);
  }
}

// A unit of one panel, all its 32-column blocks in order.
template <class F, int T, int... I>
QUERN_INLINE void direct_unit(const uint8_t* unit, const GroupInput& x, __m256 (&acc)[T]) {
  (direct_block<F, I, T>(unit, block_input<F::kKind, T>(x, I), acc), ...);
}

template <class F, int T>
QUERN_INLINE void direct_panel(const uint8_t* unit, int n_blocks, const GroupInput& x,
                               __m256 (&acc)[T]) {
  constexpr int kBlocks = F::kElements / 32;
  for (int b = 0; b < n_blocks; b += kBlocks, unit += F::kBytes) {
    // Far enough ahead that a core's own stream of a few lines in flight never runs dry.
    for (int line = 0; line < F::kBytes; line += 64) {
      _mm_prefetch(reinterpret_cast<const char*>(unit + 2048 + line), _MM_HINT_T0);
    }
    const GroupInput here = block_input<F::kKind, T>(x, b);
    if constexpr (kBlocks == 1) {
      direct_unit<F, T, 0>(unit, here, acc);
    } else {
      direct_unit<F, T, 0, 1, 2, 3, 4, 5, 6, 7>(unit, here, acc);
    }
  }
}

// ---- Tile: codes unpacked to scratch, two panels beside each other ----

template <class F>
QUERN_INLINE void store_codes(uint8_t* to, int panel, __m256i q) {
  auto* registers = reinterpret_cast<__m256i*>(to) + panel;
  if constexpr (F::kKind.wide) {
    const WideCodes codes = wide_codes(q);
    _mm256_store_si256(registers, codes.even);
    _mm256_store_si256(registers + 2, codes.odd);
  } else {
    _mm256_store_si256(registers, q);
  }
}

template <class F, int I>
QUERN_INLINE void unpack_block(const uint8_t* unit, int panel, uint8_t* codes,
                               const TileScales& scales) {
  __m256i q[8];
  Scales w;
  F::template codes<I>(unit, q);
  F::template scales<I>(unit, w);
  for (int j = 0; j < 8; ++j) {
    store_codes<F>(codes + kCodeBytes<F> * 4 * kPairRows * static_cast<size_t>(8 * I + j), panel,
                   q[j]);
  }
  for (int h = 0; h < n_subs(F::kKind); ++h) {
    const int at = (I * n_subs(F::kKind) + h) * kPairRows + panel * kPanelRows;
    _mm256_store_ps(scales.s + at, w.s[h]);
    if constexpr (F::kKind.has_min) {
      _mm256_store_ps(scales.m + at, w.m[h]);
    }
  }
}

template <class F, int... I>
QUERN_INLINE void unpack_unit(const uint8_t* unit, int panel, uint8_t* codes,
                              const TileScales& scales) {
  (unpack_block<F, I>(unit, panel, codes, scales), ...);
}

// codes: [n_columns / 4][2 panels][8 rows][4], wide [n_columns / 4][even, odd][2 panels][8
// rows][2]; scales: [subs][16 rows].
template <class F>
void unpack_pair(const uint8_t* pair, int n_columns, uint8_t* codes, TileScales scales) {
  constexpr size_t kUnitScales = size_t{F::kElements} / 32 * size_t{n_subs(F::kKind)} * kPairRows;
  const auto n_units = static_cast<size_t>(n_columns / F::kElements);
  for (int panel = 0; panel < 2; ++panel) {
    for (size_t u = 0; u < n_units; ++u, pair += F::kBytes) {
      uint8_t* out = codes + u * F::kElements * kPairRows * kCodeBytes<F>;
      const TileScales shifted{scales.s + u * kUnitScales, scales.m + u * kUnitScales};
      if constexpr (F::kElements == 32) {
        unpack_unit<F, 0>(pair, panel, out, shifted);
      } else {
        unpack_unit<F, 0, 1, 2, 3, 4, 5, 6, 7>(pair, panel, out, shifted);
      }
    }
  }
}

// How many of T tokens a pass over a block's codes takes. Two weights, an activation, a product and
// 2 x 6 sums are 16 registers. Where magnitudes (of signed bytes) or the first scale's sums come on
// top, half of the tokens at a time cost less than spilling.
template <CodeKind K, int T>
constexpr int kTokensAPass = (K.is_signed && !K.wide) || K.sub16 ? (T + 1) / 2 : T;

// The integer part of one scale's columns (a block, or its half h) for N of T tokens.
template <CodeKind K, int T, int N>
QUERN_INLINE void tile_dots(const uint8_t* codes, const int8_t* x, int h, __m256i (&dots)[2][N]) {
#pragma GCC unroll 8
  for (int c = 0; c < kSubSteps<K>; c += kSteps<K>) {
    __m256i pairs[2][N];
#pragma GCC unroll 8
    for (int i = 0; i < kSteps<K>; ++i) {
      const int j = h * kSubSteps<K> + c + i;
      const auto* w = reinterpret_cast<const __m256i*>(codes + 4 * kPairRows * j);
      const __m256i w0 = _mm256_load_si256(w);
      const __m256i w1 = _mm256_load_si256(w + 1);
#pragma GCC unroll 6
      for (int t = 0; t < N; ++t) {
        const __m256i a = broadcast_code(x, j * T + t);
        const __m256i p0 = pair_sums<K>(w0, a);
        const __m256i p1 = pair_sums<K>(w1, a);
        pairs[0][t] = i == 0 ? p0 : _mm256_add_epi16(pairs[0][t], p0);
        pairs[1][t] = i == 0 ? p1 : _mm256_add_epi16(pairs[1][t], p1);
        settle(pairs[0][t]);
        settle(pairs[1][t]);
      }
    }
#pragma GCC unroll 6
    for (int t = 0; t < N; ++t) {
#pragma GCC unroll 2
      for (int p = 0; p < 2; ++p) {
        const __m256i wide = widen(pairs[p][t]);
        dots[p][t] = c == 0 ? wide : _mm256_add_epi32(dots[p][t], wide);
        settle(dots[p][t]);
      }
    }
  }
}

// The same of wide codes.
template <CodeKind K, int T, int N>
QUERN_INLINE void tile_wide(const uint8_t* codes, const int8_t* x, int h, __m256i (&dots)[2][N]) {
#pragma GCC unroll 16
  for (int i = 0; i < 2 * kSubSteps<K>; ++i) {
    const int j = 2 * h * kSubSteps<K> + i;  // even columns of a register's, then its odd ones
    const auto* w = reinterpret_cast<const __m256i*>(codes + 4 * kPairRows * j);
    const __m256i w0 = _mm256_load_si256(w);
    const __m256i w1 = _mm256_load_si256(w + 1);
#pragma GCC unroll 6
    for (int t = 0; t < N; ++t) {
      const __m256i a = broadcast_code(x, 2 * (j / 2 * T + t) + j % 2);
      const __m256i p0 = _mm256_madd_epi16(w0, a);
      const __m256i p1 = _mm256_madd_epi16(w1, a);
      dots[0][t] = i == 0 ? p0 : _mm256_add_epi32(dots[0][t], p0);
      dots[1][t] = i == 0 ? p1 : _mm256_add_epi32(dots[1][t], p1);
      settle(dots[0][t]);
      settle(dots[1][t]);
    }
  }
}

// What a pass needs of a block: its codes and scales, and the group's activations from the pass's
// first token on.
struct TileBlock {
  const uint8_t* codes;
  TileScales scales;
  GroupInput x;
};

template <CodeKind K, int T, int N>
QUERN_INLINE void tile_sums(const TileBlock& in, int h, __m256i (&dots)[2][N]) {
  if constexpr (K.wide) {
    tile_wide<K, T, N>(in.codes, in.x.codes, h, dots);
  } else {
    tile_dots<K, T, N>(in.codes, in.x.codes, h, dots);
  }
}

// acc: [2 panels][T][8 rows], the caller's; spilled meanwhile, as the registers belong to the
// integer part.
template <CodeKind K, int T, int N>
QUERN_INLINE void tile_pass(const TileBlock& in, float* acc) {
  constexpr int kLast = n_subs(K) - 1;
  __m256i dots[2][N];
  __m256 scaled[2][N];
  if constexpr (K.sub16) {
    tile_sums<K, T, N>(in, 0, dots);
#pragma GCC unroll 2
    for (int panel = 0; panel < 2; ++panel) {
      const __m256 s = _mm256_load_ps(in.scales.s + panel * kPanelRows);
#pragma GCC unroll 6
      for (int t = 0; t < N; ++t) {
        scaled[panel][t] =
            scale_sum<0>(_mm256_setzero_ps(), to_float<K>(dots[panel][t], in.x.start + t), s);
        settle(scaled[panel][t]);
      }
    }
  }
  tile_sums<K, T, N>(in, kLast, dots);
#pragma GCC unroll 2
  for (int panel = 0; panel < 2; ++panel) {
    Scales w;
    const __m256 s = _mm256_load_ps(in.scales.s + kLast * kPairRows + panel * kPanelRows);
    for (int h = 0; h < n_subs(K); ++h) {
      if constexpr (K.has_min) {
        w.m[h] = _mm256_load_ps(in.scales.m + h * kPairRows + panel * kPanelRows);
      }
    }
#pragma GCC unroll 6
    for (int t = 0; t < N; ++t) {
      const __m256 sum = to_float<K>(dots[panel][t], in.x.start + kLast * T + t);
      const __m256 before = K.sub16 ? scaled[panel][t] : _mm256_setzero_ps();
      float* to = acc + (panel * T + t) * kPanelRows;
      _mm256_store_ps(
          to, accumulate<K, T>(_mm256_load_ps(to), scale_sum<kLast>(before, sum, s), w, in.x, t));
    }
  }
}

template <CodeKind K, int T>
QUERN_INLINE void tile_block(const TileBlock& in, float* acc) {
  constexpr int kFirst = kTokensAPass<K, T>;
  tile_pass<K, T, kFirst>(in, acc);
  if constexpr (kFirst < T) {
    TileBlock others = in;
    others.x = {in.x.codes + (K.wide ? 8 : 4) * kFirst, in.x.d + kFirst, in.x.start + kFirst,
                in.x.weighted + kFirst};
    tile_pass<K, T, T - kFirst>(others, acc + kFirst * kPanelRows);
  }
}

// Unpacked tiles that share one pass over the activations: a share of an L2 of 512 KiB, the
// smallest on machines of this kind that matters.
constexpr size_t kUnpackedBytes = size_t{192} * 1024;

#include "kernels/fragments/tiles.h"

struct TileInput {
  const uint8_t* codes;
  TileScales scales;
  int n_blocks;
  Ahead ahead;
};

template <CodeKind K, int T>
void tile_group(const TileInput& in, const GroupInput& x, float* acc) {
  Ahead ahead = in.ahead;
  for (int b = 0; b < in.n_blocks; ++b) {
    fetch_some(ahead);
    const size_t at = static_cast<size_t>(b) * size_t{n_subs(K)} * kPairRows;
    tile_block<K, T>({in.codes + static_cast<size_t>(b) * (K.wide ? 64 : 32) * kPairRows,
                      {in.scales.s + at, in.scales.m + at},
                      block_input<K, T>(x, b)},
                     acc);
  }
}

// ---- The driver: rows [first_tile * 16, last_tile * 16) for all tokens ----

QUERN_INLINE void store_rows(const OutputRows& to, int panel, int token, __m256 value) {
  const int row = to.first_row + panel * kPanelRows;
  const int n = to.n_rows - row;
  if (n <= 0) {
    return;
  }
  if (to.bias != nullptr) {
    value = _mm256_add_ps(value, load_floats(to.bias + row, n));
  }
  store_floats(to.out + static_cast<size_t>(token) * to.stride + row, n, value);
}

// Asks for the lines of a tile's rows before they are computed: with many rows each token's line is
// in no cache, and the stores of sums would queue up behind its store.
template <int T>
QUERN_INLINE void fetch_rows(const OutputRows& to) {
  for (int t = 0; t < T; ++t) {
    const float* line = to.out + static_cast<size_t>(t) * to.stride + to.first_row;
    _mm_prefetch(reinterpret_cast<const char*>(line), _MM_HINT_T0);
  }
}

template <int T>
QUERN_INLINE void store_panel(const OutputRows& to, int panel, const __m256 (&acc)[T]) {
#pragma GCC unroll 6
  for (int t = 0; t < T; ++t) {
    store_rows(to, panel, t, acc[t]);
  }
}

// A thread's scratch: group tables first, then the unpacked tiles. `tables` are the first group's;
// with few tokens each group has its own, filled once a call.
struct Scratch {
  uint8_t* tables;
  TileScales scales;
  uint8_t* codes;
};

constexpr size_t kFewGroups = kFewTokens / kTileTokens;
constexpr size_t all_table_bytes(size_t n_columns) {
  return 2 * kFewGroups * table_bytes(n_columns);
}

QUERN_INLINE GroupTables group_tables(uint8_t* first, size_t n_columns, size_t group) {
  uint8_t* at = first + 2 * group * table_bytes(n_columns);
  return {reinterpret_cast<int32_t*>(at), reinterpret_cast<float*>(at + table_bytes(n_columns))};
}

QUERN_INLINE Scratch carve_scratch(std::byte* scratch, size_t n_columns) {
  const size_t scale_bytes = tile_scale_floats(n_columns) * 4 * tiles_at_once(n_columns);
  auto* p = reinterpret_cast<uint8_t*>(scratch);
  Scratch s;
  s.tables = p;
  p += all_table_bytes(n_columns);
  s.scales.s = reinterpret_cast<float*>(p);
  p += scale_bytes;
  s.scales.m = reinterpret_cast<float*>(p);
  s.codes = p + scale_bytes;
  return s;
}

// The activations of the group that starts with `token`.
template <class F>
GroupInput group_input(const MatmulArgs& args, const GroupTables& tables, size_t token) {
  const size_t n_columns = args.n_columns;
  return {args.x.codes + token * n_columns * kCodeBytes<F>, args.x.scales + token * n_columns / 32,
          tables.start, tables.weighted};
}

template <class F, int T>
void fill_tables(const MatmulArgs& args, const GroupTables& tables, size_t token) {
  const size_t n_columns = args.n_columns;
  fill_group_tables<F::kKind, T>(args.x.sums + token * n_columns / 16,
                                 args.x.scales + token * n_columns / 32,
                                 static_cast<int>(n_columns / 32), F::kBias, tables);
}

// One tile of rows for one group of T tokens.
template <class F, int T>
void direct_tile(const MatmulArgs& args, const GroupTables& tables, uint32_t tile, size_t token) {
  const size_t panel_bytes = size_t{args.n_columns} / F::kElements * F::kBytes;
  const GroupInput x = group_input<F>(args, tables, token);
  const OutputRows to = output_rows(args, tile, token);
  for (int panel = 0; panel < 2; ++panel) {
    __m256 acc[T];
    for (__m256& a : acc) {
      a = _mm256_setzero_ps();
    }
    const uint8_t* weights = tile_weights<F>(args, tile) + static_cast<size_t>(panel) * panel_bytes;
    direct_panel<F, T>(weights, static_cast<int>(args.n_columns / 32), x, acc);
    store_panel<T>(to, panel, acc);
  }
}

template <class F, int T>
void direct_matmul(const MatmulArgs& args) {
  const Scratch scratch = carve_scratch(args.scratch, args.n_columns);
  const GroupTables tables = group_tables(scratch.tables, args.n_columns, 0);
  fill_tables<F, T>(args, tables, 0);
  for (uint32_t tile = args.first_tile; tile < args.last_tile; ++tile) {
    direct_tile<F, T>(args, tables, tile, 0);
  }
}

// One group of T tokens against the tiles that lie unpacked in scratch.
template <class F, int T>
void tiled_group(const MatmulArgs& args, const Scratch& scratch, const UnpackedTiles& unpacked,
                 size_t token) {
  const TileRange tiles = unpacked.tiles;
  const size_t n_columns = args.n_columns;
  const bool few = args.n_tokens <= kFewTokens;
  const GroupTables tables = group_tables(scratch.tables, n_columns, few ? token / kTileTokens : 0);
  if (!few || tiles.first == args.first_tile) {
    fill_tables<F, T>(args, tables, token);
  }
  const GroupInput x = group_input<F>(args, tables, token);
  for (uint32_t tile = tiles.first; tile < tiles.last; ++tile) {
    const size_t slot = tile - tiles.first;
    const size_t at = slot * tile_scale_floats(n_columns);
    const OutputRows to = output_rows(args, tile, token);
    fetch_rows<T>(to);
    // Every loop over these is unrolled: else gcc stores them here and spills them as well.
    alignas(32) float acc[2 * T * kPanelRows];
#pragma GCC unroll 12
    for (int i = 0; i < 2 * T; ++i) {
      _mm256_store_ps(acc + i * kPanelRows, _mm256_setzero_ps());
    }
    tile_group<F::kKind, T>({scratch.codes + slot * n_columns * kPairRows * kCodeBytes<F>,
                             {scratch.scales.s + at, scratch.scales.m + at},
                             static_cast<int>(n_columns / 32),
                             unpacked.ahead},
                            x, acc);
#pragma GCC unroll 2
    for (int panel = 0; panel < 2; ++panel) {
      __m256 sums[T];
#pragma GCC unroll 6
      for (int t = 0; t < T; ++t) {
        sums[t] = _mm256_load_ps(acc + (panel * T + t) * kPanelRows);
      }
      store_panel<T>(to, panel, sums);
    }
  }
}

#include "kernels/fragments/tiled_matmul.h"

template <class F>
void matmul_tokens(const MatmulArgs& args) {
  switch (args.n_tokens) {
    case 1:
      return direct_matmul<F, 1>(args);
    case 2:
      return direct_matmul<F, 2>(args);
    case 3:
      return direct_matmul<F, 3>(args);
    case 4:
      return direct_matmul<F, 4>(args);
    case 5:
      return direct_matmul<F, 5>(args);
    case 6:
      return direct_matmul<F, 6>(args);
    default:
      return tiled_matmul<F>(args);
  }
}

template <class F>
void matmul_codes(const MatmulArgs& args) {
  if (args.paired) {
    MatmulArgs wide = args;
    wide.paired = false;
    wide.n_tokens = args.n_tokens / 2;
    matmul_tokens<Wide<F>>(wide);
  } else {
    matmul_tokens<F>(args);
  }
}

}  // namespace
}  // namespace quern
