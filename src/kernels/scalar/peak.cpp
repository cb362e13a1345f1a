#include "kernels/scalar/peak.h"

#include <cstring>

namespace quern {
namespace {

constexpr size_t kChains = 8;  // independent sums, enough to hide the latency of a multiply-add

// Operands come from a volatile so that the compiler can foresee no result.
template <typename T>
uint64_t multiply_add(uint64_t n_ops) {
  const volatile T source = T{1};
  volatile T sink = T{0};
  const T factor = source;
  const T term = source;
  T sums[kChains] = {};
  uint64_t done = 0;
  for (; done < n_ops; done += 2 * kChains) {
    for (T& sum : sums) {
      sum = sum * factor + term;
    }
  }
  for (const T sum : sums) {
    sink = sum;
  }
  (void)sink;
  return done;
}

uint64_t int8_ops(uint64_t n_ops) {
  return multiply_add<uint32_t>(n_ops);
}

uint64_t f32_ops(uint64_t n_ops) {
  return multiply_add<float>(n_ops);
}

uint64_t read_bytes(const std::byte* data, size_t n_bytes) {
  constexpr size_t kStep = kChains * sizeof(uint64_t);
  uint64_t sums[kChains] = {};
  size_t done = 0;
  for (; done + kStep <= n_bytes; done += kStep) {
    for (size_t i = 0; i < kChains; ++i) {
      uint64_t word = 0;
      std::memcpy(&word, data + done + i * sizeof(word), sizeof(word));
      sums[i] ^= word;
    }
  }
  volatile uint64_t sink = 0;
  for (const uint64_t sum : sums) {
    sink = sum;
  }
  (void)sink;
  return done;
}

}  // namespace

PeakLoops scalar_peak_loops() {
  return {.int8_ops = int8_ops, .f32_ops = f32_ops, .read_bytes = read_bytes};
}

}  // namespace quern
