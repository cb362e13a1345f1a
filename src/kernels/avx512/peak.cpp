// What AVX-512 code reaches at best on this machine. Operands come from volatiles so that the
// compiler can foresee no result; results go to one so that none is dropped.
#include <immintrin.h>

#include "kernels/avx512/tables.h"

namespace quern::avx512 {
namespace {

constexpr int kChains = 16;  // 2 a cycle at a latency of up to 5, with room to spare

}  // namespace

uint64_t peak_int8_ops(uint64_t n_ops) {
  constexpr uint64_t kOps = uint64_t{kChains} * 64 * 2;
  const volatile int source = 0x01010101;
  volatile int sink = 0;
  const __m512i a = _mm512_set1_epi32(source);
  const __m512i b = _mm512_set1_epi32(source);
  __m512i sums[kChains];
  for (__m512i& sum : sums) {
    sum = _mm512_setzero_si512();
  }
  uint64_t done = 0;
  for (; done < n_ops; done += kOps) {
    for (__m512i& sum : sums) {
      sum = _mm512_dpbusd_epi32(sum, a, b);
    }
  }
  for (const __m512i& sum : sums) {
    sink = _mm512_reduce_add_epi32(sum);
  }
  (void)sink;
  return done;
}

uint64_t peak_f32_ops(uint64_t n_ops) {
  constexpr uint64_t kOps = uint64_t{kChains} * 16 * 2;
  const volatile float source = 1.0F;
  volatile float sink = 0;
  const __m512 a = _mm512_set1_ps(source);
  const __m512 b = _mm512_set1_ps(source);
  __m512 sums[kChains];
  for (__m512& sum : sums) {
    sum = _mm512_setzero_ps();
  }
  uint64_t done = 0;
  for (; done < n_ops; done += kOps) {
    for (__m512& sum : sums) {
      sum = _mm512_fmadd_ps(a, b, sum);
    }
  }
  for (const __m512& sum : sums) {
    sink = _mm512_reduce_add_ps(sum);
  }
  (void)sink;
  return done;
}

// Four places at once keep more lines in flight than the hardware's prefetcher has for one.
uint64_t peak_read_bytes(const std::byte* data, size_t n_bytes) {
  constexpr size_t kPlaces = 4;
  constexpr size_t kStep = 128;  // bytes a round, per place
  constexpr size_t kVector = 64;
  __m512i sums[kStep / kVector];
  for (__m512i& sum : sums) {
    sum = _mm512_setzero_si512();
  }
  const size_t quarter = n_bytes / kPlaces / kStep * kStep;
  for (size_t at = 0; at < quarter; at += kStep) {
    for (size_t place = 0; place < kPlaces; ++place) {
      for (size_t i = 0; i < kStep / kVector; ++i) {
        const std::byte* part = data + place * quarter + at + i * kVector;
        sums[i] = _mm512_xor_si512(sums[i], _mm512_load_si512(part));
      }
    }
  }
  volatile int sink = 0;
  for (const __m512i& sum : sums) {
    sink = _mm512_reduce_add_epi32(sum);
  }
  (void)sink;
  return quarter * kPlaces;
}

}  // namespace quern::avx512
