// Matmul of 4096 x 4096 weights: per instruction set, type and token count, GB/s of weights and
// GOPS, and both in percent of what the peak loops reach on the same core in the same run. Times
// are CPU times of one thread.
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
  using benchmark::Counter;
  state.counters["GOPS"] = Counter(ops / 1e9, Counter::kIsIterationInvariantRate);
  state.counters["GB/s"] = Counter(bytes / 1e9, Counter::kIsIterationInvariantRate);
  state.counters["%ops"] = Counter(100.0 * ops / peak_ops, Counter::kIsIterationInvariantRate);
  state.counters["%bw"] =
      Counter(100.0 * bytes / at.peaks.bytes, Counter::kIsIterationInvariantRate);
}

void register_table(const KernelTable& table) {
  const Peaks peaks = measure_peaks(table);
  fmt::print("{}: {:.0f} int8 GOPS, {:.0f} f32 GFLOPS, {:.1f} GB/s\n", table.isa,
             peaks.int8_ops / 1e9, peaks.f32_ops / 1e9, peaks.bytes / 1e9);
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    if (!traits(dtype).has_kernels) {
      continue;
    }
    for (const uint32_t n_tokens : {1U, 8U, 12U, 16U, 18U, 32U, 64U, 512U}) {
      if (table.panel_rows == 1 && n_tokens > 1) {
        continue;  // the specification is not made for speed
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
