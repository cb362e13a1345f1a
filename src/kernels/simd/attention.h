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
  static constexpr bool kCheapToRead = true;  // measured: f32 is not, being twice as long
  QUERN_INLINE Vec key(const std::byte* block, size_t d, size_t lane, size_t /*stride*/) {
    return Vec::load_f16(reinterpret_cast<const uint16_t*>(block) + d * kSlots + lane);
  }
  QUERN_INLINE Vec value(const std::byte* block, size_t slot, size_t d, size_t stride) {
    return Vec::load_f16(reinterpret_cast<const uint16_t*>(block) + slot * stride + d);
  }
};

struct KvF32 {
  static constexpr bool kCheapToRead = false;
  QUERN_INLINE Vec key(const std::byte* block, size_t d, size_t lane, size_t /*stride*/) {
    return Vec::load(reinterpret_cast<const float*>(block) + d * kSlots + lane);
  }
  QUERN_INLINE Vec value(const std::byte* block, size_t slot, size_t d, size_t stride) {
    return Vec::load(reinterpret_cast<const float*>(block) + slot * stride + d);
  }
};

struct KvQ8 {
  static constexpr bool kCheapToRead = false;
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
    return base + args.layer.offset(args.blocks[args.first_key / kSlots + block], args.kv_head);
  }
  size_t n_blocks() const { return (n_keys + kSlots - 1) / kSlots; }
};

constexpr size_t kLineBytes = 64;
// Bytes of keys and values fetched ahead; they must fit a core's second cache.
constexpr size_t kAheadBytes = size_t{192} * 1024;
constexpr size_t kFirstBlocks = 2;  // fetched at once where nothing was fetched before
// Of a pass's time, in sixteenths, what goes to weights rather than to keys and values.
constexpr size_t kWeightsShare = 3;

// Fetches ahead what will be read: this partition's blocks, a block's keys and values together as
// they lie in memory, then those of the partition that the thread does next. A sequence's blocks
// lie anywhere, so no hardware prefetcher follows them. Fetching is spread over the whole pass, so
// that memory is never idle.
class Stream {
 public:
  explicit Stream(const PartitionKeys& keys) : keys_(keys) {
    const AttentionArgs& args = keys.args;
    if (!args.fetch_ahead || keys.n_keys == 0) {
      return;
    }
    const size_t fit = kAheadBytes / (2 * args.layer.head_bytes);
    const size_t n_next = args.next.n_blocks < fit ? args.next.n_blocks : fit;
    const size_t n_own = keys.n_blocks();
    n_pieces_ = 2 * (n_own + n_next);
    size_t per_piece = args.layer.head_bytes / kLineBytes;
    if (args.fetched) {
      piece_ = 2 * (n_own < fit ? n_own : fit);
    } else {
      fetch(2 * kFirstBlocks * per_piece);
      per_piece *= 2;
    }
    per_piece_ = (per_piece * (16 - kWeightsShare) + 15) / 16;
    const size_t all_weights = 2 * n_own * per_piece * kWeightsShare / 16;
    const size_t n_vecs = args.n_queries * (n_own * kSlots / Vec::kLanes);
    per_vec_of_weights_ = (all_weights + n_vecs - 1) / n_vecs;
  }

  // Lines to fetch while a block's keys or values are worked on.
  size_t per_piece() const { return per_piece_; }
  // While a register of weights is.
  size_t per_vec_of_weights() const { return per_vec_of_weights_; }

  // Fetches the next n lines.
  void fetch(size_t n) {
    for (; n > 0 && (line_ != end_ || enter_piece()); --n) {
      __builtin_prefetch(line_);
      line_ += kLineBytes;
    }
  }

 private:
  bool enter_piece() {
    if (piece_ >= n_pieces_) {
      return false;
    }
    const AttentionArgs& args = keys_.args;
    const std::byte* base = piece_ % 2 == 0 ? args.layer.k : args.layer.v;
    const size_t block = piece_ / 2;
    const size_t n = keys_.n_blocks();
    line_ = block < n ? keys_.at(base, block)
                      : base + args.layer.offset(args.next.blocks[block - n], args.next.kv_head);
    end_ = line_ + args.layer.head_bytes;
    ++piece_;
    return true;
  }

  const PartitionKeys& keys_;
  const std::byte* line_ = nullptr;
  const std::byte* end_ = nullptr;
  size_t piece_ = 0;  // the next to enter: a block's keys or its values
  size_t n_pieces_ = 0;
  size_t per_piece_ = 0;
  size_t per_vec_of_weights_ = 0;
};

// Whether N x n accumulators fit the registers, with what add_products() holds beside them.
constexpr bool fits(int n_queries, int n) {
  return n_queries * n + (n_queries < n ? n_queries : n) + 1 <= Vec::kRegisters;
}

// Queries of a tile: all N, or half of them where N leave no room for four registers of keys, are
// too few to hide a multiply-add's latency with two, and keys are cheap to read twice.
template <class Kv, int N>
constexpr int kTile = !Kv::kCheapToRead || fits(N, 4) || 2 * N >= 12 ? N : (N + 1) / 2;
template <class Kv, int N>
constexpr size_t kTiles = (N + kTile<Kv, N> - 1) / kTile<Kv, N>;

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

// Dimensions between two fetches: in f16 these are 4 lines of a block of keys.
constexpr size_t kDimsPerFetch = 8;

// Where a tile of scores begins.
struct ScoresAt {
  size_t query;
  size_t block;
  size_t lines_per_step;  // to fetch meanwhile
};

// Scores of N queries with kBlocks blocks of keys, before scaling, to scores[q][key].
template <class Kv, int N, int kBlocks>
QUERN_INLINE void score_blocks(const PartitionKeys& keys, Stream& stream, const ScoresAt& at) {
  constexpr int kVecs = static_cast<int>(kSlots) / Vec::kLanes;
  const AttentionArgs& args = keys.args;
  const std::byte* block[kBlocks];
  for (int b = 0; b < kBlocks; ++b) {
    block[b] = keys.at(args.layer.k, at.block + static_cast<size_t>(b));
  }
  Vec acc[N][kBlocks * kVecs];
  for (auto& row : acc) {
    for (Vec& a : row) {
      a = Vec::zero();
    }
  }
  const float* const* const queries = args.q + at.query;
  const size_t n_dims = args.layer.head_dim;
  const size_t step = args.fetch_ahead ? kDimsPerFetch : n_dims;
  for (size_t first = 0; first < n_dims; first += step) {
    const size_t last = n_dims - first < step ? n_dims : first + step;
    stream.fetch(at.lines_per_step);
    for (size_t d = first; d < last; ++d) {
      const auto x = [&](int q) { return queries[q][d]; };
      const auto k = [&](int b) {
        return Kv::key(block[b / kVecs], d, static_cast<size_t>(b % kVecs) * Vec::kLanes,
                       args.layer.head_stride);
      };
      add_products(acc, x, k);
    }
  }
  float* scores = args.scratch + at.query * kPartition + at.block * kSlots;
  for (int q = 0; q < N; ++q) {
    for (int b = 0; b < kBlocks * kVecs; ++b) {
      acc[q][b].store(scores + static_cast<size_t>(q) * kPartition +
                      static_cast<size_t>(b * Vec::kLanes));
    }
  }
}

template <class Kv, int N, int kBlocks>
QUERN_INLINE void score_all_queries(const PartitionKeys& keys, Stream& stream, size_t block) {
  const size_t lines = kBlocks * stream.per_piece() * kDimsPerFetch / keys.args.layer.head_stride;
  const ScoresAt at{0, block, (lines + kTiles<Kv, N> - 1) / kTiles<Kv, N>};
  score_blocks<Kv, kTile<Kv, N>, kBlocks>(keys, stream, at);
  if constexpr (kTile<Kv, N> < N) {
    score_blocks<Kv, N - kTile<Kv, N>, kBlocks>(keys, stream,
                                                {kTile<Kv, N>, block, at.lines_per_step});
  }
}

template <class Kv, int N>
void score(const PartitionKeys& keys, Stream& stream) {
  // Enough independent chains to hide the latency of a multiply-add, as few as fit the registers.
  constexpr int kVecs = static_cast<int>(kSlots) / Vec::kLanes;
  constexpr int kBlocks =
      fits(kTile<Kv, N>, 4 * kVecs) ? 4 : (fits(kTile<Kv, N>, 2 * kVecs) ? 2 : 1);
  size_t block = 0;
  for (; block + kBlocks <= keys.n_blocks(); block += kBlocks) {
    score_all_queries<Kv, N, kBlocks>(keys, stream, block);
  }
  for (; block < keys.n_blocks(); ++block) {
    score_all_queries<Kv, N, 1>(keys, stream, block);
  }
}

// Turns one query's scores into weights exp(score - max), 0 for keys it may not see.
QUERN_INLINE void soften(const PartitionKeys& keys, Stream& stream, size_t q, float* scores) {
  const AttentionArgs& args = keys.args;
  const size_t n_keys = keys.n_keys;
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
    stream.fetch(stream.per_vec_of_weights());
    const Vec p =
        sees_none ? Vec::zero() : vec_exp_of_negative(Vec::load(scores + i) - Vec::set1(top));
    p.store(scores + i);
    sum = sum + p;
  }
  args.state.max[q] = top;
  args.state.sum[q] = sum.sum();
}

// Slots between two fetches.
constexpr size_t kSlotsPerFetch = 4;

// One block of values, and where the sums of a tile begin.
struct ValuesAt {
  const std::byte* values;
  size_t block;
  size_t n_slots;
  size_t lines_per_fetch;
  size_t query;
  size_t d;
};

// out[q][d ..] += weight(q) * value, kVecs registers of dimensions, slots in order.
template <class Kv, int N, int kVecs>
QUERN_INLINE void weigh_block(const AttentionArgs& args, Stream& stream, const ValuesAt& at) {
  const size_t stride = args.layer.head_stride;
  float* const sums = args.state.out + at.query * stride + at.d;
  const float* weights = args.scratch + at.query * kPartition + at.block * kSlots;
  const auto out = [&](int q, int c) {
    return sums + static_cast<size_t>(q) * stride + static_cast<size_t>(c * Vec::kLanes);
  };
  Vec acc[N][kVecs];
  for (int q = 0; q < N; ++q) {
    for (int c = 0; c < kVecs; ++c) {
      acc[q][c] = Vec::load(out(q, c));
    }
  }
  const size_t step = args.fetch_ahead ? kSlotsPerFetch : at.n_slots;
  for (size_t first = 0; first < at.n_slots; first += step) {
    const size_t last = at.n_slots - first < step ? at.n_slots : first + step;
    stream.fetch(at.lines_per_fetch);
    for (size_t slot = first; slot < last; ++slot) {
      const auto weight = [&](int q) {
        return weights[static_cast<size_t>(q) * kPartition + slot];
      };
      const auto v = [&](int c) {
        return Kv::value(at.values, slot, at.d + static_cast<size_t>(c * Vec::kLanes), stride);
      };
      add_products(acc, weight, v);
    }
  }
  for (int q = 0; q < N; ++q) {
    for (int c = 0; c < kVecs; ++c) {
      acc[q][c].store(out(q, c));
    }
  }
}

template <class Kv, int N, int kVecs>
QUERN_INLINE void weigh_all_queries(const AttentionArgs& args, Stream& stream, ValuesAt at) {
  weigh_block<Kv, kTile<Kv, N>, kVecs>(args, stream, at);
  if constexpr (kTile<Kv, N> < N) {
    at.query = kTile<Kv, N>;
    weigh_block<Kv, N - kTile<Kv, N>, kVecs>(args, stream, at);
  }
}

// A block's values are read once, from all its dimensions; sums wait in the first cache meanwhile.
template <class Kv, int N>
void weigh(const PartitionKeys& keys, Stream& stream) {
  constexpr int kVecs = fits(kTile<Kv, N>, 4) ? 4 : (fits(kTile<Kv, N>, 2) ? 2 : 1);
  constexpr size_t kStep = size_t{kVecs} * Vec::kLanes;
  const AttentionArgs& args = keys.args;
  const size_t stride = args.layer.head_stride;
  const size_t n_passes = kTiles<Kv, N> * (stride / kStep + stride % kStep / Vec::kLanes);
  const size_t n_fetches = n_passes * kSlots / kSlotsPerFetch;
  for (size_t i = 0; i < N * stride; i += Vec::kLanes) {
    Vec::zero().store(args.state.out + i);
  }
  ValuesAt at{};
  at.lines_per_fetch = (stream.per_piece() + n_fetches - 1) / n_fetches;
  for (; at.block < keys.n_blocks(); ++at.block) {
    const size_t left = keys.n_keys - at.block * kSlots;
    at.values = keys.at(args.layer.v, at.block);
    at.n_slots = left < kSlots ? left : kSlots;
    for (at.d = 0; at.d + kStep <= stride; at.d += kStep) {
      weigh_all_queries<Kv, N, kVecs>(args, stream, at);
    }
    for (; at.d < stride; at.d += Vec::kLanes) {
      weigh_all_queries<Kv, N, 1>(args, stream, at);
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
  Stream stream(keys);
  score<Kv, N>(keys, stream);
  for (size_t q = 0; q < static_cast<size_t>(N); ++q) {
    soften(keys, stream, q, args.scratch + q * kPartition);
  }
  weigh<Kv, N>(keys, stream);
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
