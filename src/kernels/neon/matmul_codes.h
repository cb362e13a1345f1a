// Matmul of packed quantised weights with quantised activations, NEON with dot products.
//
// One arithmetic for every path, which is what makes results independent of the batch, and the same
// as AVX2's: per 32 columns an exact integer dot product, then in f32, in column order,
//   acc = fma(dot * s, d, acc) [, acc = fma(m, d * sum, acc)]     (two of each where a format has
//   16-column scales)
// Lanes are rows and registers are tokens, so no sum ever crosses lanes. `Packed` unpacks weights
// in registers, for a single token; more of them read codes that were unpacked to scratch once for
// all
// (`Unpacked`). Six tokens of a panel's 8 rows take 12 integer and 12 float registers of the 32.
#pragma once

#include <utility>

#include "kernels/kernel_table.h"
#include "kernels/neon/formats.h"

namespace quern {
namespace {

constexpr int kMaxT = static_cast<int>(kTileTokens);

// A group's activations, or what one 32-column block of it needs. Of T tokens beside each other.
struct GroupInput {
  const int8_t* codes;
  const float* d;
  const float* weighted;  // d * sum of codes, an entry per scale of a row; where has_min
};

template <CodeKind K, int T>
QUERN_INLINE GroupInput block_input(const GroupInput& group, int b) {
  return {group.codes + size_t{32} * static_cast<size_t>(b) * T, group.d + b * T,
          group.weighted + b * n_subs(K) * T};
}

template <CodeKind K, int T>
void fill_weighted(const int32_t* sums, const GroupInput& x, int n_blocks, float* weighted) {
  for (int b = 0; b < n_blocks; ++b) {
    for (int t = 0; t < T; ++t) {
      const int32_t halves[2] = {sums[(2 * b) * T + t], sums[(2 * b + 1) * T + t]};
      for (int h = 0; h < n_subs(K); ++h) {
        const int32_t sum = K.sub16 ? halves[h] : halves[0] + halves[1];
        weighted[(b * n_subs(K) + h) * T + t] = x.d[b * T + t] * static_cast<float>(sum);
      }
    }
  }
}

// ---- Where a 32-column block of weights comes from ----

// Block I of a unit of format F, as it is packed.
template <class F, int I>
struct Packed {
  static constexpr CodeKind kKind = F::kKind;
  const uint8_t* unit;

  template <int J>
  [[gnu::always_inline]] int8x16_t code(int rows) const {
    return F::template code<I, J>(unit + 16 * rows);
  }
  [[gnu::always_inline]] void scales(Scales& out) const { F::template scales<I>(unit, out); }
};

// Scratch of a panel: codes [n_columns / 4][8 rows][4], scales and minima [subs][8 rows].
struct PanelScratch {
  int8_t* codes;
  float* s;
  float* m;
};

// A block that lies in scratch.
template <CodeKind K>
struct Unpacked {
  static constexpr CodeKind kKind = K;
  PanelScratch at;

  template <int J>
  [[gnu::always_inline]] int8x16_t code(int rows) const {
    return vld1q_s8(at.codes + 32 * J + 16 * rows);
  }
  [[gnu::always_inline]] void scales(Scales& out) const {
    for (int h = 0; h < n_subs(K); ++h) {
      out.s[h] = load_f32(at.s + kPanelRows * h);
      if constexpr (K.has_min) {
        out.m[h] = load_f32(at.m + kPanelRows * h);
      }
    }
  }
};

template <CodeKind K>
QUERN_INLINE PanelScratch block_scratch(const PanelScratch& panel, int b) {
  const size_t scale = static_cast<size_t>(b) * size_t{n_subs(K)} * kPanelRows;
  return {panel.codes + static_cast<size_t>(b) * 32 * kPanelRows, panel.s + scale, panel.m + scale};
}

// ---- The arithmetic of a block ----

// Adds the products of 4 columns; kIndex counts the groups of 4 codes of the block's activations.
template <int kIndex>
QUERN_INLINE int32x4_t dot(int32x4_t sum, int8x16_t w, const int8_t* x) {
  return vdotq_laneq_s32(sum, w, vld1q_s8(x + kIndex / 4 * 16), kIndex % 4);
}

template <int J, class W, int T, int... t>
QUERN_INLINE void dot_step(const W& w, const int8_t* x, int32x4_t (&dots)[2][T],
                           std::integer_sequence<int, t...> /*tokens*/) {
  const int8x16_t w0 = w.template code<J>(0);
  const int8x16_t w1 = w.template code<J>(1);
  ((dots[0][t] = dot<J * T + t>(dots[0][t], w0, x), dots[1][t] = dot<J * T + t>(dots[1][t], w1, x)),
   ...);
}

template <int kFirst, class W, int T, int... j>
QUERN_INLINE void dot_steps(const W& w, const int8_t* x, int32x4_t (&dots)[2][T],
                            std::integer_sequence<int, j...> /*steps*/) {
  (dot_step<kFirst + j>(w, x, dots, std::make_integer_sequence<int, T>{}), ...);
}

// The part that shares a scale, H of 1 or 2: its dot products times the scale, added to `scaled`.
template <int H, class W, int T>
QUERN_INLINE void scaled_dots(const W& w, const GroupInput& x, const RowFloats& s,
                              float32x4_t (&scaled)[2][T]) {
  constexpr int kSteps = 8 / n_subs(W::kKind);
  int32x4_t dots[2][T];
  for (auto& half : dots) {
    for (int32x4_t& sum : half) {
      sum = vdupq_n_s32(0);
    }
  }
  dot_steps<H * kSteps>(w, x.codes, dots, std::make_integer_sequence<int, kSteps>{});
  for (int p = 0; p < 2; ++p) {
#pragma GCC unroll 6
    for (int t = 0; t < T; ++t) {
      const float32x4_t f = vcvtq_f32_s32(dots[p][t]);
      scaled[p][t] = H == 0 ? vmulq_f32(f, s.v[p]) : vfmaq_f32(scaled[p][t], f, s.v[p]);
    }
  }
}

// The only place where the arithmetic is written. acc: [rows 0..3, rows 4..7][T].
template <class W, int T>
QUERN_INLINE void block(const W& w, const GroupInput& x, float32x4_t (&acc)[2][T]) {
  constexpr CodeKind kKind = W::kKind;
  Scales scales;
  w.scales(scales);
  float32x4_t scaled[2][T];
  scaled_dots<0>(w, x, scales.s[0], scaled);
  if constexpr (kKind.sub16) {
    scaled_dots<1>(w, x, scales.s[1], scaled);
  }
  for (int p = 0; p < 2; ++p) {
#pragma GCC unroll 6
    for (int t = 0; t < T; ++t) {
      acc[p][t] = vfmaq_n_f32(acc[p][t], scaled[p][t], x.d[t]);
      if constexpr (kKind.has_min) {
        for (int h = 0; h < n_subs(kKind); ++h) {
          acc[p][t] = vfmaq_n_f32(acc[p][t], scales.m[h].v[p], x.weighted[h * T + t]);
        }
      }
    }
  }
}

template <int T>
QUERN_INLINE void clear(float32x4_t (&acc)[2][T]) {
  for (auto& half : acc) {
    for (float32x4_t& a : half) {
      a = vdupq_n_f32(0);
    }
  }
}

// The 32-column blocks of a unit.
template <class F>
using UnitBlocks = std::make_integer_sequence<int, F::kElements / 32>;

// Hides from the compiler where `p` comes from. Blocks of a unit share bytes: it would otherwise
// unpack them for several blocks at once, hold everything until the end and spill it all.
QUERN_INLINE void settle(const uint8_t*& p) {
  asm("" : "+r"(p));
}

template <class F, int... I>
QUERN_INLINE void packed_unit(const uint8_t* unit, const GroupInput& x, float32x4_t (&acc)[2][1],
                              std::integer_sequence<int, I...> /*blocks*/) {
  ((settle(unit), block(Packed<F, I>{unit}, block_input<F::kKind, 1>(x, I), acc)), ...);
}

template <class F>
QUERN_INLINE void packed_panel(const uint8_t* unit, int n_blocks, const GroupInput& x,
                               float32x4_t (&acc)[2][1]) {
  for (int b = 0; b < n_blocks; b += F::kElements / 32, unit += F::kBytes) {
    packed_unit<F>(unit, block_input<F::kKind, 1>(x, b), acc, UnitBlocks<F>{});
  }
}

template <CodeKind K, int T>
QUERN_INLINE void unpacked_panel(const PanelScratch& weights, int n_blocks, const GroupInput& x,
                                 float32x4_t (&acc)[2][T]) {
  for (int b = 0; b < n_blocks; ++b) {
    block(Unpacked<K>{block_scratch<K>(weights, b)}, block_input<K, T>(x, b), acc);
  }
}

// ---- Unpacking ----

template <int J, class W>
QUERN_INLINE void unpack_step(const W& w, int8_t* codes) {
  vst1q_s8(codes + 32 * J, w.template code<J>(0));
  vst1q_s8(codes + 32 * J + 16, w.template code<J>(1));
}

template <class W, int... J>
QUERN_INLINE void unpack_block(const W& w, const PanelScratch& to,
                               std::integer_sequence<int, J...> /*steps*/) {
  (unpack_step<J>(w, to.codes), ...);
  Scales scales;
  w.scales(scales);
  for (int h = 0; h < n_subs(W::kKind); ++h) {
    store_f32(to.s + kPanelRows * h, scales.s[h]);
    if constexpr (W::kKind.has_min) {
      store_f32(to.m + kPanelRows * h, scales.m[h]);
    }
  }
}

template <class F, int... I>
QUERN_INLINE void unpack_unit(const uint8_t* unit, const PanelScratch& to,
                              std::integer_sequence<int, I...> /*blocks*/) {
  (unpack_block(Packed<F, I>{unit}, block_scratch<F::kKind>(to, I),
                std::make_integer_sequence<int, 8>{}),
   ...);
}

template <class F>
void unpack_panel(const uint8_t* unit, int n_blocks, const PanelScratch& to) {
  for (int b = 0; b < n_blocks; b += F::kElements / 32, unit += F::kBytes) {
    unpack_unit<F>(unit, block_scratch<F::kKind>(to, b), UnitBlocks<F>{});
  }
}

// ---- A thread's scratch: the group's weighted sums first, then the unpacked panels ----

constexpr size_t round_up_64(size_t n) {
  return (n + 63) / 64 * 64;
}
// Unpacked panels that share one pass over the activations: a share of an L2 of 512 KiB.
constexpr size_t kUnpackedBytes = size_t{192} * 1024;

constexpr size_t panels_at_once(size_t n_columns) {
  const size_t n = kUnpackedBytes / (n_columns * kPanelRows);
  return n < 1 ? 1 : n;
}
// Of a panel's scales (or minima), for the widest need.
constexpr size_t scale_bytes(size_t n_columns) {
  return round_up_64(n_columns / 16 * kPanelRows * sizeof(float));
}
constexpr size_t weighted_bytes(size_t n_columns) {
  return round_up_64(n_columns / 16 * kMaxT * sizeof(float));
}
constexpr size_t panel_scratch_bytes(size_t n_columns) {
  return 2 * scale_bytes(n_columns) + round_up_64(n_columns * kPanelRows);
}

inline float* weighted_of(const MatmulArgs& args) {
  return reinterpret_cast<float*>(args.scratch);
}
inline PanelScratch panel_scratch(const MatmulArgs& args, size_t slot) {
  std::byte* at =
      args.scratch + weighted_bytes(args.n_columns) + slot * panel_scratch_bytes(args.n_columns);
  auto* s = reinterpret_cast<float*>(at);
  auto* m = reinterpret_cast<float*>(at + scale_bytes(args.n_columns));
  return {reinterpret_cast<int8_t*>(at + 2 * scale_bytes(args.n_columns)), s, m};
}

// ---- The driver: panels [first_tile, last_tile) for all tokens; a tile is a panel ----

template <class F>
const uint8_t* panel_weights(const MatmulArgs& args, uint32_t panel) {
  const size_t panel_bytes = size_t{args.n_columns} / F::kElements * F::kBytes;
  return reinterpret_cast<const uint8_t*>(args.weights) + panel * panel_bytes;
}

// The activations of the group that starts with `token`.
template <class F, int T>
GroupInput prepare_group(const MatmulArgs& args, size_t token) {
  const size_t n_columns = args.n_columns;
  const GroupInput x{args.x.codes + token * n_columns, args.x.scales + token * n_columns / 32,
                     weighted_of(args)};
  if constexpr (F::kKind.has_min) {
    fill_weighted<F::kKind, T>(args.x.sums + token * n_columns / 16, x,
                               static_cast<int>(n_columns / 32), weighted_of(args));
  }
  return x;
}

// A panel's sums for the group that starts with `token`. Paired tokens make one output row.
template <int T>
QUERN_INLINE void store_group(const MatmulArgs& args, uint32_t panel, size_t token,
                              const float32x4_t (&acc)[2][T]) {
  const size_t row = size_t{panel} * kPanelRows;
  if (row >= args.n_rows) {
    return;
  }
  const auto n_rows = static_cast<int>(args.n_rows - row);
  const int step = args.paired ? 2 : 1;
  float* out = args.out + token / static_cast<size_t>(step) * args.out_stride + row;
  for (int t = 0; t < T; t += step, out += args.out_stride) {
    RowFloats sum{{acc[0][t], acc[1][t]}};
    if (args.paired && t + 1 < T) {
      sum = sum + RowFloats{{acc[0][t + 1], acc[1][t + 1]}};
    }
    store_rows(out, args.bias == nullptr ? nullptr : args.bias + row, n_rows, sum);
  }
}

// T tokens, which is all there are: each panel is read once and needed once.
template <class F, int T>
void one_group_matmul(const MatmulArgs& args) {
  const auto n_blocks = static_cast<int>(args.n_columns / 32);
  const GroupInput x = prepare_group<F, T>(args, 0);
  for (uint32_t panel = args.first_tile; panel < args.last_tile; ++panel) {
    const uint8_t* weights = panel_weights<F>(args, panel);
    float32x4_t acc[2][T];
    clear(acc);
    if constexpr (T == 1) {
      packed_panel<F>(weights, n_blocks, x, acc);
    } else {
      const PanelScratch unpacked = panel_scratch(args, 0);
      unpack_panel<F>(weights, n_blocks, unpacked);
      unpacked_panel<F::kKind>(unpacked, n_blocks, x, acc);
    }
    store_group(args, panel, 0, acc);
  }
}

// Panels [first, last).
struct PanelRange {
  uint32_t first;
  uint32_t last;
};

// One group of T tokens against the panels that lie unpacked in scratch.
template <class F, int T>
void group_of_many(const MatmulArgs& args, PanelRange panels, size_t token) {
  const auto n_blocks = static_cast<int>(args.n_columns / 32);
  const GroupInput x = prepare_group<F, T>(args, token);
  for (uint32_t panel = panels.first; panel < panels.last; ++panel) {
    const PanelScratch weights = panel_scratch(args, panel - panels.first);
    float32x4_t acc[2][T];
    clear(acc);
    for (int b = 0; b < n_blocks; ++b) {
      block(Unpacked<F::kKind>{block_scratch<F::kKind>(weights, b)}, block_input<F::kKind, T>(x, b),
            acc);
    }
    store_group(args, panel, token, acc);
  }
}

template <class F>
void rest_of_many(const MatmulArgs& args, PanelRange panels, size_t token) {
  switch (args.n_tokens - token) {
    case 1:
      return group_of_many<F, 1>(args, panels, token);
    case 2:
      return group_of_many<F, 2>(args, panels, token);
    case 3:
      return group_of_many<F, 3>(args, panels, token);
    case 4:
      return group_of_many<F, 4>(args, panels, token);
    case 5:
      return group_of_many<F, 5>(args, panels, token);
    default:
      return;
  }
}

template <class F>
void many_groups_matmul(const MatmulArgs& args) {
  const auto step = static_cast<uint32_t>(panels_at_once(args.n_columns));
  for (uint32_t first = args.first_tile; first < args.last_tile; first += step) {
    const uint32_t last = args.last_tile - first < step ? args.last_tile : first + step;
    for (uint32_t panel = first; panel < last; ++panel) {
      unpack_panel<F>(panel_weights<F>(args, panel), static_cast<int>(args.n_columns / 32),
                      panel_scratch(args, panel - first));
    }
    size_t token = 0;
    for (; token + kTileTokens <= args.n_tokens; token += kTileTokens) {
      group_of_many<F, kMaxT>(args, {first, last}, token);
    }
    rest_of_many<F>(args, {first, last}, token);
  }
}

template <class F>
void matmul_codes(const MatmulArgs& args) {
  switch (args.n_tokens) {
    case 1:
      return one_group_matmul<F, 1>(args);
    case 2:
      return one_group_matmul<F, 2>(args);
    case 3:
      return one_group_matmul<F, 3>(args);
    case 4:
      return one_group_matmul<F, 4>(args);
    case 5:
      return one_group_matmul<F, 5>(args);
    case 6:
      return one_group_matmul<F, 6>(args);
    default:
      return many_groups_matmul<F>(args);
  }
}

}  // namespace
}  // namespace quern
