// What NEON code with dot products reaches at best on this machine. Operands come from volatiles so
// that the compiler can foresee no result; results go to one so that none is dropped.
#include "kernels/neon/registers.h"
#include "kernels/neon/tables.h"

namespace quern::neon {
namespace {

constexpr int kChains = 16;  // 4 a cycle at a latency of 4, within 32 registers

}  // namespace

uint64_t peak_int8_ops(uint64_t n_ops) {
  constexpr uint64_t kOps = uint64_t{kChains} * 16 * 2;
  const volatile int8_t source = 1;
  volatile int32_t sink = 0;
  const int8x16_t a = vdupq_n_s8(source);
  const int8x16_t b = vdupq_n_s8(source);
  int32x4_t sums[kChains];
  for (int32x4_t& sum : sums) {
    sum = vdupq_n_s32(0);
  }
  uint64_t done = 0;
  for (; done < n_ops; done += kOps) {
    for (int32x4_t& sum : sums) {
      sum = vdotq_s32(sum, a, b);
    }
  }
  for (const int32x4_t& sum : sums) {
    sink = vgetq_lane_s32(sum, 0);
  }
  (void)sink;
  return done;
}

uint64_t peak_f32_ops(uint64_t n_ops) {
  constexpr uint64_t kOps = uint64_t{kChains} * 4 * 2;
  const volatile float source = 1.0F;
  volatile float sink = 0;
  const float32x4_t a = vdupq_n_f32(source);
  const float32x4_t b = vdupq_n_f32(source);
  float32x4_t sums[kChains];
  for (float32x4_t& sum : sums) {
    sum = vdupq_n_f32(0);
  }
  uint64_t done = 0;
  for (; done < n_ops; done += kOps) {
    for (float32x4_t& sum : sums) {
      sum = vfmaq_f32(sum, a, b);
    }
  }
  for (const float32x4_t& sum : sums) {
    sink = vgetq_lane_f32(sum, 0);
  }
  (void)sink;
  return done;
}

// Four places at once keep more lines in flight than the hardware's prefetcher has for one.
uint64_t peak_read_bytes(const std::byte* data, size_t n_bytes) {
  constexpr size_t kPlaces = 4;
  constexpr size_t kStep = 128;  // bytes a round, per place
  constexpr size_t kVector = 16;
  uint8x16_t sums[kStep / kVector];
  for (uint8x16_t& sum : sums) {
    sum = vdupq_n_u8(0);
  }
  const auto* bytes = reinterpret_cast<const uint8_t*>(data);
  const size_t quarter = n_bytes / kPlaces / kStep * kStep;
  for (size_t at = 0; at < quarter; at += kStep) {
    for (size_t place = 0; place < kPlaces; ++place) {
      for (size_t i = 0; i < kStep / kVector; ++i) {
        sums[i] = veorq_u8(sums[i], vld1q_u8(bytes + place * quarter + at + i * kVector));
      }
    }
  }
  volatile int sink = 0;
  for (const uint8x16_t& sum : sums) {
    sink = vgetq_lane_u8(sum, 0);
  }
  (void)sink;
  return quarter * kPlaces;
}

}  // namespace quern::neon
