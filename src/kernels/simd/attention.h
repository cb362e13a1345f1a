// Attention over one partition of a paged KV cache, once for every vector width.
// Included after a vec_*.h; internal linkage.
//
// Scores: lanes are keys, one chain of fused multiply-adds over the head's dimensions. Output:
// lanes are dimensions, one chain over the keys in order. Neither depends on which queries share
// the pass, nor where the sequence ends: a key that a query may not see has weight exactly 0.
#pragma once

#include <limits>

#include "kernels/kernel_table.h"
#include "kernels/simd/math.h"

namespace quern {
namespace {

constexpr size_t kSlots = 16;  // tokens a KV block holds
constexpr size_t kPartition = kAttentionPartition;

struct KvF16 {
  QUERN_INLINE Vec key(const std::byte* block, size_t d, size_t lane, size_t /*stride*/) {
    return Vec::load_f16(reinterpret_cast<const uint16_t*>(block) + d * kSlots + lane);
  }
  QUERN_INLINE Vec value(const std::byte* block, size_t slot, size_t d, size_t stride) {
    return Vec::load_f16(reinterpret_cast<const uint16_t*>(block) + slot * stride + d);
  }
};

struct KvF32 {
  QUERN_INLINE Vec key(const std::byte* block, size_t d, size_t lane, size_t /*stride*/) {
    return Vec::load(reinterpret_cast<const float*>(block) + d * kSlots + lane);
  }
  QUERN_INLINE Vec value(const std::byte* block, size_t slot, size_t d, size_t stride) {
    return Vec::load(reinterpret_cast<const float*>(block) + slot * stride + d);
  }
};

struct KvQ8 {
  QUERN_INLINE Vec key(const std::byte* block, size_t d, size_t lane, size_t stride) {
    const auto* scales = reinterpret_cast<const float*>(block);
    const auto* codes = reinterpret_cast<const int8_t*>(scales + stride / 32 * kSlots);
    return Vec::load_i8(codes + d * kSlots + lane) * Vec::load(scales + d / 32 * kSlots + lane);
  }
  QUERN_INLINE Vec value(const std::byte* block, size_t slot, size_t d, size_t stride) {
    const auto* scales = reinterpret_cast<const float*>(block);
    const auto* codes = reinterpret_cast<const int8_t*>(scales + stride / 32 * kSlots);
    return Vec::load_i8(codes + slot * stride + d) *
           Vec::set1(scales[slot * (stride / 32) + d / 32]);
  }
};

// The keys of this partition that some query sees: n of them from first_key on, in blocks of
// kSlots.
struct PartitionKeys {
  const AttentionArgs& args;
  size_t n_keys;

  const std::byte* at(const std::byte* base, size_t block) const {
    const auto id = static_cast<size_t>(args.blocks[args.first_key / kSlots + block]);
    return base + id * args.layer.block_stride + args.kv_head * args.layer.head_bytes;
  }
  // The block `distance` after `block`, or `block` itself where the keys end before that: what to
  // fetch while `block` is worked on.
  const std::byte* ahead(const std::byte* base, size_t block, size_t distance) const {
    return at(base, block + distance < n_blocks() ? block + distance : block);
  }
  size_t n_blocks() const { return (n_keys + kSlots - 1) / kSlots; }
};

// A sequence's blocks lie anywhere, so no hardware prefetcher follows them: without this a core
// waits for memory at the start of every one.
constexpr size_t kLineBytes = 64;
// V blocks fetched ahead; what is worked on meanwhile must take as long as memory does.
constexpr size_t kValuesAhead = 4;

// Fetches the cache lines that begin in bytes [from, from + n) of a block.
QUERN_INLINE void fetch_lines(const std::byte* block, size_t from, size_t n) {
  const size_t first = (from + kLineBytes - 1) / kLineBytes * kLineBytes;
  for (size_t line = first; line < from + n; line += kLineBytes) {
    __builtin_prefetch(block + line);
  }
}

// Whether N x n accumulators fit the registers, with what add_products() holds beside them.
constexpr bool fits(int n_queries, int n) {
  return n_queries * n + (n_queries < n ? n_queries : n) + 1 <= Vec::kRegisters;
}

// acc[q][c] += factor(q) * column(c). Whichever of the two there are fewer of stays in registers;
// the other way around the accumulators would not fit beside them.
template <int N, int kColumns, class Factor, class Column>
QUERN_INLINE void add_products(Vec (&acc)[N][kColumns], const Factor& factor,
                               const Column& column) {
  Vec kept[N < kColumns ? N : kColumns];
  if constexpr (N < kColumns) {
    for (int q = 0; q < N; ++q) {
      kept[q] = Vec::set1(factor(q));
    }
    for (int c = 0; c < kColumns; ++c) {
      const Vec one = column(c);
      for (int q = 0; q < N; ++q) {
        acc[q][c] = Vec::fma(kept[q], one, acc[q][c]);
      }
    }
  } else {
    for (int c = 0; c < kColumns; ++c) {
      kept[c] = column(c);
    }
    for (int q = 0; q < N; ++q) {
      const Vec one = Vec::set1(factor(q));
      for (int c = 0; c < kColumns; ++c) {
        acc[q][c] = Vec::fma(one, kept[c], acc[q][c]);
      }
    }
  }
}

// Dimensions between two looks at what to fetch: in f16 these are 4 lines of a block of keys.
constexpr size_t kDimsPerFetch = 8;

// Scores of N queries with kBlocks blocks of keys, before scaling, to scores[q][key].
template <class Kv, int N, int kBlocks>
QUERN_INLINE void score_blocks(const PartitionKeys& keys, size_t first_block, float* scores) {
  constexpr int kVecs = static_cast<int>(kSlots) / Vec::kLanes;
  const AttentionArgs& args = keys.args;
  const std::byte* block[kBlocks];
  const std::byte* next[kBlocks];
  for (int b = 0; b < kBlocks; ++b) {
    const size_t index = first_block + static_cast<size_t>(b);
    block[b] = keys.at(args.layer.k, index);
    next[b] = keys.ahead(args.layer.k, index, kBlocks);
  }
  const size_t bytes_per_step = args.layer.head_bytes / args.layer.head_stride;
  Vec acc[N][kBlocks * kVecs];
  for (auto& row : acc) {
    for (Vec& a : row) {
      a = Vec::zero();
    }
  }
  const size_t n_dims = args.layer.head_dim;
  for (size_t first = 0; first < n_dims; first += kDimsPerFetch) {
    const size_t last = n_dims - first < kDimsPerFetch ? n_dims : first + kDimsPerFetch;
    if (args.fetch_ahead) {
      for (const std::byte* n : next) {
        fetch_lines(n, first * bytes_per_step, (last - first) * bytes_per_step);
      }
    }
    for (size_t d = first; d < last; ++d) {
      const auto x = [&](int q) { return args.q[q][d]; };
      const auto k = [&](int b) {
        return Kv::key(block[b / kVecs], d, static_cast<size_t>(b % kVecs) * Vec::kLanes,
                       args.layer.head_stride);
      };
      add_products(acc, x, k);
    }
  }
  for (int q = 0; q < N; ++q) {
    for (int b = 0; b < kBlocks * kVecs; ++b) {
      acc[q][b].store(scores + static_cast<size_t>(q) * kPartition + first_block * kSlots +
                      static_cast<size_t>(b * Vec::kLanes));
    }
  }
}

template <class Kv, int N>
void score(const PartitionKeys& keys, float* scores) {
  // Enough independent chains to hide the latency of a multiply-add, as few as fit the registers.
  constexpr int kVecs = static_cast<int>(kSlots) / Vec::kLanes;
  constexpr int kBlocks = fits(N, 4 * kVecs) ? 4 : (fits(N, 2 * kVecs) ? 2 : 1);
  size_t block = 0;
  for (; block + kBlocks <= keys.n_blocks(); block += kBlocks) {
    score_blocks<Kv, N, kBlocks>(keys, block, scores);
  }
  for (; block < keys.n_blocks(); ++block) {
    score_blocks<Kv, N, 1>(keys, block, scores);
  }
}

// Turns one query's scores into weights exp(score - max), 0 for keys it may not see.
QUERN_INLINE void soften(const AttentionArgs& args, size_t q, size_t n_keys, float* scores) {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto first = static_cast<int64_t>(args.first_key);
  const int64_t to = static_cast<int64_t>(args.n_keys[q]) - first;
  const int64_t from = args.min_key == nullptr ? 0 : static_cast<int64_t>(args.min_key[q]) - first;
  const Vec scale = Vec::set1(args.softcap > 0 ? args.scale / args.softcap : args.scale);
  Vec max = Vec::set1(-infinity);
  for (size_t i = 0; i < n_keys; i += Vec::kLanes) {
    const auto at = static_cast<int64_t>(i);
    Vec s = Vec::load(scores + i) * scale;
    if (args.softcap > 0) {
      s = vec_tanh(s) * Vec::set1(args.softcap);
    }
    if (at < from || at + Vec::kLanes > to) {
      s = Vec::lanes_between(from - at, to - at, s, Vec::set1(-infinity));
    }
    s.store(scores + i);
    max = Vec::max(max, s);
  }
  const float top = max.max();
  const bool sees_none = top == -infinity;
  Vec sum = Vec::zero();
  for (size_t i = 0; i < n_keys; i += Vec::kLanes) {
    const Vec p =
        sees_none ? Vec::zero() : vec_exp_of_negative(Vec::load(scores + i) - Vec::set1(top));
    p.store(scores + i);
    sum = sum + p;
  }
  args.state.max[q] = top;
  args.state.sum[q] = sum.sum();
}

// kVecs registers of dimensions from d on, for N queries, over all keys in order.
template <class Kv, int N, int kVecs>
QUERN_INLINE void weigh(const PartitionKeys& keys, const float* scores, size_t d) {
  const AttentionArgs& args = keys.args;
  const size_t stride = args.layer.head_stride;
  Vec acc[N][kVecs];
  for (auto& row : acc) {
    for (Vec& a : row) {
      a = Vec::zero();
    }
  }
  const bool fetches = args.fetch_ahead && d == 0;
  const size_t bytes_per_slot = args.layer.head_bytes / kSlots;
  for (size_t block = 0; block < keys.n_blocks(); ++block) {
    const std::byte* values = keys.at(args.layer.v, block);
    const std::byte* next = keys.ahead(args.layer.v, block, kValuesAhead);
    const size_t left = keys.n_keys - block * kSlots;
    const size_t n = left < kSlots ? left : kSlots;
    for (size_t slot = 0; slot < n; ++slot) {
      if (fetches) {
        fetch_lines(next, slot * bytes_per_slot, bytes_per_slot);
      }
      const auto weight = [&](int q) {
        return scores[static_cast<size_t>(q) * kPartition + block * kSlots + slot];
      };
      const auto v = [&](int c) {
        return Kv::value(values, slot, d + static_cast<size_t>(c * Vec::kLanes), stride);
      };
      add_products(acc, weight, v);
    }
  }
  for (int q = 0; q < N; ++q) {
    for (int c = 0; c < kVecs; ++c) {
      acc[q][c].store(args.state.out + static_cast<size_t>(q) * stride + d +
                      static_cast<size_t>(c * Vec::kLanes));
    }
  }
}

template <class Kv, int N>
void attend(const AttentionArgs& args) {
  size_t end = args.first_key;
  for (int q = 0; q < N; ++q) {
    end = args.n_keys[q] > end ? args.n_keys[q] : end;
  }
  const size_t left = end - args.first_key;
  const PartitionKeys keys{args, left < kPartition ? left : kPartition};
  const size_t n_first = args.fetch_ahead ? kValuesAhead : 0;
  for (size_t block = 0; block < n_first && block < keys.n_blocks(); ++block) {
    fetch_lines(keys.at(args.layer.v, block), 0, args.layer.head_bytes);
  }
  score<Kv, N>(keys, args.scratch);
  for (size_t q = 0; q < static_cast<size_t>(N); ++q) {
    soften(args, q, keys.n_keys, args.scratch + q * kPartition);
  }
  constexpr int kVecs = fits(N, 4) ? 4 : (fits(N, 2) ? 2 : 1);
  size_t d = 0;
  constexpr size_t kStep = size_t{kVecs} * Vec::kLanes;
  for (; d + kStep <= args.layer.head_stride; d += kStep) {
    weigh<Kv, N, kVecs>(keys, args.scratch, d);
  }
  for (; d < args.layer.head_stride; d += Vec::kLanes) {
    weigh<Kv, N, 1>(keys, args.scratch, d);
  }
}

template <class Kv>
void attend_any(const AttentionArgs& args) {
  switch (args.n_queries) {
    case 1:
      return attend<Kv, 1>(args);
    case 2:
      return attend<Kv, 2>(args);
    case 3:
      return attend<Kv, 3>(args);
    case 4:
      return attend<Kv, 4>(args);
    case 5:
      return attend<Kv, 5>(args);
    default:
      return attend<Kv, 6>(args);
  }
}

void simd_attention(const AttentionArgs& args) {
  switch (args.layer.type) {
    case KvDType::f16:
      return attend_any<KvF16>(args);
    case KvDType::f32:
      return attend_any<KvF32>(args);
    case KvDType::q8_0:
      return attend_any<KvQ8>(args);
  }
}

void simd_attention_merge(const AttentionState& into, const AttentionState& from,
                          uint32_t n_queries, uint32_t head_stride) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (size_t q = 0; q < n_queries; ++q) {
    if (from.max[q] == -infinity) {
      continue;
    }
    const float top = into.max[q] > from.max[q] ? into.max[q] : from.max[q];
    const Vec old_weight = vec_exp(Vec::set1(into.max[q] - top));
    const Vec new_weight = vec_exp(Vec::set1(from.max[q] - top));
    float* out = into.out + q * head_stride;
    const float* more = from.out + q * head_stride;
    for (size_t d = 0; d < head_stride; d += Vec::kLanes) {
      const Vec kept = Vec::load(out + d) * old_weight;
      Vec::fma(Vec::load(more + d), new_weight, kept).store(out + d);
    }
    const Vec sum =
        Vec::fma(Vec::set1(from.sum[q]), new_weight, Vec::set1(into.sum[q]) * old_weight);
    float lanes[Vec::kLanes];
    sum.store(lanes);
    into.sum[q] = lanes[0];
    into.max[q] = top;
  }
}

void simd_attention_finish(const AttentionFinishArgs& args) {
  for (size_t q = 0; q < args.n_queries; ++q) {
    const Vec inverse = Vec::set1(1.0F / args.state.sum[q]);
    for (size_t d = 0; d < args.head_dim; d += Vec::kLanes) {
      (Vec::load(args.state.out + q * args.head_stride + d) * inverse)
          .store_n(args.out[q] + d, args.head_dim - d);
    }
  }
}

}  // namespace
}  // namespace quern
