// Per instruction set, each in percent of what the peak loops reach on the same core in the same
// run: matmul of 4096 x 4096 weights by type and token count, attention by KV type and queries, and
// the row kernels. Times are CPU times of one thread.
#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/pack.h"
#include "kernels/quantise.h"

namespace quern {
namespace {

constexpr uint32_t kRows = 4096;
constexpr uint32_t kColumns = 4096;
constexpr size_t kBeyondCache = size_t{192} << 20;  // bytes, several times a core's share of L3
constexpr int kPeakRuns = 9;

struct AlignedBytes {
  std::vector<std::byte> storage;
  explicit AlignedBytes(size_t n) : storage(n + 4096 + 64) {}
  std::byte* data() {
    const auto address = reinterpret_cast<uintptr_t>(storage.data());
    return storage.data() + ((address + 63) / 64 * 64 - address);
  }
};

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// The best of a few runs, in amounts per second.
template <typename Work>
double best_rate(const Work& work) {
  double best = 0;
  for (int i = 0; i < kPeakRuns; ++i) {
    const double start = cpu_seconds();
    const auto amount = static_cast<double>(work());
    best = std::max(best, amount / (cpu_seconds() - start));
  }
  return best;
}

struct Peaks {
  double int8_ops = 0;
  double f32_ops = 0;
  double bytes = 0;
};

Peaks measure_peaks(const KernelTable& table) {
  AlignedBytes buffer(kBeyondCache);
  std::memset(buffer.data(), 1, kBeyondCache);
  const bool slow = table.panel_rows == 1;
  return {best_rate([&] { return table.peak.int8_ops(slow ? 100'000'000 : 4'000'000'000); }),
          best_rate([&] { return table.peak.f32_ops(slow ? 100'000'000 : 1'000'000'000); }),
          best_rate([&] { return table.peak.read_bytes(buffer.data(), kBeyondCache); })};
}

std::vector<float> random_floats(size_t n) {
  std::mt19937 engine(1);
  std::normal_distribution<float> normal(0.0F, 1.0F);
  std::vector<float> values(n);
  for (float& value : values) {
    value = normal(engine);
  }
  return values;
}

// Copies of a packed matrix, enough that none is still in the cache when its turn comes again. Rows
// repeat after a tile: quantising them all would take longer than measuring.
class Weights {
 public:
  Weights(const KernelTable& table, DType dtype)
      : matrix_bytes_(*row_bytes(dtype, kColumns) * kRows),
        n_copies_(kBeyondCache / matrix_bytes_ + 1),
        data_(matrix_bytes_ * n_copies_) {
    const size_t bytes = *row_bytes(dtype, kColumns);
    const std::vector<float> values = random_floats(size_t{table.panel_rows} * kColumns);
    std::vector<std::byte> rows(bytes * table.panel_rows);
    for (size_t row = 0; row < table.panel_rows; ++row) {
      (void)quantise_row(dtype, &values[row * kColumns], &rows[row * bytes], kColumns);
    }
    const size_t panel_bytes = rows.size();
    pack_panel({.dtype = dtype,
                .panel_rows = table.panel_rows,
                .n_columns = kColumns,
                .n_rows = table.panel_rows,
                .rows = rows.data(),
                .panel = data_.data()});
    for (size_t at = panel_bytes; at < matrix_bytes_ * n_copies_; at += panel_bytes) {
      std::memcpy(data_.data() + at, data_.data(), panel_bytes);
    }
  }

  const std::byte* next() { return data_.data() + matrix_bytes_ * (turn_++ % n_copies_); }
  size_t matrix_bytes() const { return matrix_bytes_; }

 private:
  size_t matrix_bytes_;
  size_t n_copies_;
  AlignedBytes data_;
  size_t turn_ = 0;
};

struct Work {
  double ops = 0;
  double bytes = 0;
};

// `peak`: the most that a second gives.
void set_rates(benchmark::State& state, const Work& once, const Work& peak) {
  using benchmark::Counter;
  const auto rate = [&](double amount) {
    return Counter(amount, Counter::kIsIterationInvariantRate);
  };
  state.counters["GOPS"] = rate(once.ops / 1e9);
  state.counters["GB/s"] = rate(once.bytes / 1e9);
  state.counters["%ops"] = rate(100.0 * once.ops / peak.ops);
  state.counters["%bw"] = rate(100.0 * once.bytes / peak.bytes);
}

struct Case {
  const KernelTable* table = nullptr;
  Peaks peaks;
  DType dtype = DType::f32;
  uint32_t n_tokens = 0;
};

void run_matmul(benchmark::State& state, const Case& at) {
  const KernelTable& table = *at.table;
  Weights weights(table, at.dtype);
  const size_t n = size_t{at.n_tokens} * kColumns;
  const std::vector<float> x = random_floats(n);
  std::vector<int8_t> codes(n);
  std::vector<float> scales(n / 32);
  std::vector<int32_t> sums(n / 16);
  std::vector<float> floats(n);
  const Prepared prepared{codes.data(), scales.data(), sums.data(), floats.data()};
  const bool quantised = traits(at.dtype).quantised;
  (quantised ? table.prepare_codes : table.prepare_floats)({.x = x.data(),
                                                            .x_stride = kColumns,
                                                            .n_tokens = at.n_tokens,
                                                            .first_token = 0,
                                                            .last_token = at.n_tokens,
                                                            .n_columns = kColumns,
                                                            .out = prepared});
  AlignedBytes scratch(table.matmul_scratch_bytes(kColumns));
  std::vector<float> out(size_t{at.n_tokens} * kRows);
  for (const auto unused : state) {
    (void)unused;
    table.matmul[static_cast<size_t>(at.dtype)]({.weights = weights.next(),
                                                 .n_rows = kRows,
                                                 .n_columns = kColumns,
                                                 .first_tile = 0,
                                                 .last_tile = kRows / table.tile_rows,
                                                 .x = prepared,
                                                 .n_tokens = at.n_tokens,
                                                 .out = out.data(),
                                                 .out_stride = kRows,
                                                 .scratch = scratch.data()});
    benchmark::ClobberMemory();
  }
  const double ops = 2.0 * kRows * kColumns * at.n_tokens;
  const auto bytes = static_cast<double>(weights.matrix_bytes());
  const double peak_ops = quantised ? at.peaks.int8_ops : at.peaks.f32_ops;
  set_rates(state, {.ops = ops, .bytes = bytes}, {.ops = peak_ops, .bytes = at.peaks.bytes});
}

struct AttentionCase {
  const KernelTable* table = nullptr;
  Peaks peaks;
  KvDType type = KvDType::f16;
  uint32_t n_queries = 0;
  bool stays = false;

  uint32_t n_keys() const { return stays ? kAttentionPartition : 8 * kAttentionPartition; }
};

// Random keys and values of one head of 64 dimensions, enough sequences that none is in the cache
// when its turn comes again, or one sequence that stays there.
class Context {
 public:
  explicit Context(const AttentionCase& at)
      : n_blocks_(at.n_keys() / kBlockTokens),
        head_bytes_(kv_head_bytes(at.type, kHeadDim)),
        n_sequences_(at.stays ? 1 : kBeyondCache / (2 * head_bytes_ * n_blocks_) + 1),
        blocks_(n_sequences_ * n_blocks_),
        data_(2 * head_bytes_ * blocks_.size()) {
    layer_ = {.k = data_.data(),
              .v = data_.data() + head_bytes_,
              .type = at.type,
              .n_kv_heads = 1,
              .head_dim = kHeadDim,
              .head_stride = kv_head_stride(at.type, kHeadDim),
              .head_bytes = head_bytes_,
              .head_pitch = 2 * head_bytes_,
              .block_stride = 2 * head_bytes_};
    for (size_t i = 0; i < blocks_.size(); ++i) {
      blocks_[i] = BlockId{static_cast<int32_t>(i)};
    }
    std::shuffle(blocks_.begin(), blocks_.end(), std::mt19937(1));
    const std::vector<float> values = random_floats(size_t{2} * kHeadDim);
    for (size_t token = 0; token < blocks_.size() * kBlockTokens; ++token) {
      at.table->kv_write({.layer = layer_,
                          .k = values.data(),
                          .v = values.data() + kHeadDim,
                          .block = blocks_[token / kBlockTokens],
                          .slot = static_cast<uint32_t>(token % kBlockTokens)});
    }
  }

  static constexpr uint32_t kHeadDim = 64;
  static constexpr uint32_t kBlockTokens = 16;

  const KvLayer& layer() const { return layer_; }
  const BlockId* next() { return &blocks_[turn_++ % n_sequences_ * n_blocks_]; }
  size_t bytes() const { return 2 * head_bytes_ * n_blocks_; }

 private:
  size_t n_blocks_;
  size_t head_bytes_;
  size_t n_sequences_;
  std::vector<BlockId> blocks_;
  AlignedBytes data_;
  KvLayer layer_;
  size_t turn_ = 0;
};

// One head's pass over 2048 keys, or 256 that stay in the cache: partition by partition as a
// backend walks them.
void run_attention(benchmark::State& state, const AttentionCase& at) {
  const uint32_t n_keys = at.n_keys();
  Context context(at);
  const KvLayer& layer = context.layer();
  const std::vector<float> q = random_floats(size_t{kAttentionQueries} * layer.head_dim);
  std::vector<const float*> rows(at.n_queries);
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i] = &q[i * layer.head_dim];
  }
  const std::vector<uint32_t> seen(at.n_queries, n_keys);
  std::vector<float> floats(size_t{kAttentionQueries} *
                            (kAttentionPartition + layer.head_stride + 2));
  AttentionArgs args{
      .layer = layer,
      .n_queries = at.n_queries,
      .q = rows.data(),
      .n_keys = seen.data(),
      .scale = 0.125F,
      .state = {floats.data(), &floats[kAttentionQueries], &floats[size_t{2} * kAttentionQueries]},
      .scratch = &floats[kAttentionQueries * (layer.head_stride + size_t{2})],
      .fetch_ahead = !at.stays};
  for (const auto unused : state) {
    (void)unused;
    args.blocks = context.next();
    for (args.first_key = 0; args.first_key < n_keys; args.first_key += kAttentionPartition) {
      const uint32_t next = args.first_key + kAttentionPartition;
      args.fetched = args.first_key > 0;
      args.next = next == n_keys ? NextKeys{}
                                 : NextKeys{args.blocks + next / Context::kBlockTokens,
                                            kAttentionPartition / Context::kBlockTokens, 0};
      at.table->attention(args);
    }
    benchmark::ClobberMemory();
  }
  set_rates(state,
            {.ops = 4.0 * layer.head_dim * n_keys * at.n_queries,
             .bytes = static_cast<double>(context.bytes())},
            {.ops = at.peaks.f32_ops, .bytes = at.peaks.bytes});
}

// The row kernels on one row that stays in the cache; their bytes are what is read and written.
void run_row_kernel(benchmark::State& state, const Case& at, const std::string& kernel) {
  const KernelTable& table = *at.table;
  std::vector<float> x = random_floats(kColumns);
  const std::vector<float> y = random_floats(kColumns);
  std::vector<float> out(kColumns);
  std::vector<int8_t> codes(kColumns);
  std::vector<float> scales(kColumns / 32);
  std::vector<int32_t> sums(kColumns / 16);
  const std::vector<float> angles = random_floats(128);
  const auto run = [&] {
    if (kernel == "rms_norm") {
      table.rms_norm({.x = x.data(),
                      .x_stride = kColumns,
                      .weight = y.data(),
                      .out = out.data(),
                      .out_stride = kColumns,
                      .n_rows = 1,
                      .n_columns = kColumns,
                      .eps = 1e-5F});
    } else if (kernel == "rope") {
      table.rope({.x = x.data(),
                  .x_stride = kColumns,
                  .cos_sin = angles.data(),
                  .n_rows = 1,
                  .n_heads = kColumns / 128,
                  .head_dim = 128,
                  .n_rotated = 128});
    } else if (kernel == "add") {
      table.add(out.data(), y.data(), kColumns);
    } else if (kernel == "gated") {
      table.gated({.gate = x.data(), .up = y.data(), .out = out.data(), .n = kColumns});
    } else {
      table.prepare_codes({.x = x.data(),
                           .x_stride = kColumns,
                           .n_tokens = 1,
                           .first_token = 0,
                           .last_token = 1,
                           .n_columns = kColumns,
                           .out = {codes.data(), scales.data(), sums.data(), out.data()}});
    }
  };
  for (const auto unused : state) {
    (void)unused;
    run();
    benchmark::ClobberMemory();
  }
  const double floats_moved = kernel == "rope" || kernel == "prepare_codes" ? 2 : 3;
  const double bytes = floats_moved * sizeof(float) * kColumns;
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(bytes / 1e9, Counter::kIsIterationInvariantRate);
  state.counters["%bw"] =
      Counter(100.0 * bytes / at.peaks.bytes, Counter::kIsIterationInvariantRate);
}

void register_small_kernels(const KernelTable& table, const Peaks& peaks) {
  constexpr std::pair<KvDType, const char*> kTypes[] = {
      {KvDType::f16, "f16"}, {KvDType::f32, "f32"}, {KvDType::q8_0, "q8_0"}};
  for (const auto& [type, type_name] : kTypes) {
    for (const uint32_t n_queries : {1U, 3U, 6U}) {
      for (const bool stays : {true, false}) {
        const std::string title = fmt::format("{}/attention/{}/{}/{}", table.isa, type_name,
                                              n_queries, stays ? "cached" : "memory");
        benchmark::RegisterBenchmark(title.c_str(), run_attention,
                                     AttentionCase{&table, peaks, type, n_queries, stays});
      }
    }
  }
  for (const char* kernel : {"rms_norm", "rope", "add", "gated", "prepare_codes"}) {
    benchmark::RegisterBenchmark(fmt::format("{}/{}", table.isa, kernel).c_str(), run_row_kernel,
                                 Case{&table, peaks, DType::f32, 1}, std::string(kernel));
  }
}

void register_table(const KernelTable& table) {
  const Peaks peaks = measure_peaks(table);
  fmt::print("{}: {:.0f} int8 GOPS, {:.0f} f32 GFLOPS, {:.1f} GB/s\n", table.isa,
             peaks.int8_ops / 1e9, peaks.f32_ops / 1e9, peaks.bytes / 1e9);
  if (table.panel_rows > 1) {  // the specification is not made for speed
    register_small_kernels(table, peaks);
  }
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    if (!traits(dtype).has_kernels) {
      continue;
    }
    for (const uint32_t n_tokens : {1U, 8U, 12U, 16U, 18U, 32U, 64U, 512U}) {
      if (table.panel_rows == 1 && n_tokens > 1) {
        continue;
      }
      const std::string title = fmt::format("{}/{}/{}", table.isa, name(dtype), n_tokens);
      benchmark::RegisterBenchmark(title.c_str(), run_matmul, Case{&table, peaks, dtype, n_tokens});
    }
  }
}

}  // namespace
}  // namespace quern

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const quern::CpuFeatures features = quern::CpuFeatures::detect();
  for (const char* isa : {"scalar", "avx2", "avx512", "neon"}) {
    if (const quern::KernelTable* table = quern::choose_kernels(features, isa)) {
      quern::register_table(*table);
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
