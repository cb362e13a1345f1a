// What AVX2 code reaches at best on this machine. Operands come from volatiles so that the
// compiler can foresee no result; results go to one so that none is dropped.
#include "kernels/avx2/registers.h"
#include "kernels/avx2/tables.h"

namespace quern::avx2 {
namespace {

constexpr int kChains = 12;  // 2 a cycle at a latency of up to 5, within 16 registers

}  // namespace

// Pairs of products summed in 16 bits, the fastest dot product of bytes that AVX2 has. Codes above
// 4 bits overflow 16 bits sooner and need wider sums, up to one per pair: for Q8_0 half of this is
// the most that can be had.
uint64_t peak_int8_ops(uint64_t n_ops) {
  constexpr uint64_t kOps = uint64_t{6} * 32 * 2;
  const volatile int source = 0x01010101;
  volatile int sink = 0;
  __m256i a = _mm256_set1_epi32(source);
  const __m256i b = _mm256_set1_epi32(source);
  const auto step = [&a, &b](__m256i& sum) {
    settle(a);  // else one product would do for all
    sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(a, b));
  };
  // Single variables: gcc keeps an array of them in memory here.
  __m256i s0 = a;
  __m256i s1 = a;
  __m256i s2 = a;
  __m256i s3 = a;
  __m256i s4 = a;
  __m256i s5 = a;
  uint64_t done = 0;
  for (; done < n_ops; done += kOps) {
    step(s0);
    step(s1);
    step(s2);
    step(s3);
    step(s4);
    step(s5);
  }
  for (const __m256i& sum : {s0, s1, s2, s3, s4, s5}) {
    sink = _mm256_extract_epi32(sum, 0);
  }
  (void)sink;
  return done;
}

uint64_t peak_f32_ops(uint64_t n_ops) {
  constexpr uint64_t kOps = uint64_t{kChains} * 8 * 2;
  const volatile float source = 1.0F;
  volatile float sink = 0;
  const __m256 a = _mm256_set1_ps(source);
  const __m256 b = _mm256_set1_ps(source);
  __m256 sums[kChains];
  for (__m256& sum : sums) {
    sum = _mm256_setzero_ps();
  }
  uint64_t done = 0;
  for (; done < n_ops; done += kOps) {
    for (__m256& sum : sums) {
      sum = _mm256_fmadd_ps(a, b, sum);
    }
  }
  for (const __m256& sum : sums) {
    sink = _mm256_cvtss_f32(sum);
  }
  (void)sink;
  return done;
}

// Four places at once keep more lines in flight than the hardware's prefetcher has for one.
uint64_t peak_read_bytes(const std::byte* data, size_t n_bytes) {
  constexpr size_t kPlaces = 4;
  constexpr size_t kStep = 128;  // bytes a round, per place
  constexpr size_t kVector = 32;
  __m256i sums[kStep / kVector];
  for (__m256i& sum : sums) {
    sum = _mm256_setzero_si256();
  }
  const size_t quarter = n_bytes / kPlaces / kStep * kStep;
  for (size_t at = 0; at < quarter; at += kStep) {
    for (size_t place = 0; place < kPlaces; ++place) {
      for (size_t i = 0; i < kStep / kVector; ++i) {
        const std::byte* part = data + place * quarter + at + i * kVector;
        sums[i] =
            _mm256_xor_si256(sums[i], _mm256_load_si256(reinterpret_cast<const __m256i*>(part)));
      }
    }
  }
  volatile int sink = 0;
  for (const __m256i& sum : sums) {
    sink = _mm256_extract_epi32(sum, 0);
  }
  (void)sink;
  return quarter * kPlaces;
}

}  // namespace quern::avx2
