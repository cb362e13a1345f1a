// CpuFeatures: which instruction sets this machine has, asked once and passed around.
#pragma once

namespace quern {

struct CpuFeatures {
  bool avx2 = false;    // with FMA and F16C
  bool avx512 = false;  // F, BW, VL, DQ and VNNI together: what the avx512 kernels use
  bool avx512_bf16 = false;
  bool neon_dot = false;  // Advanced SIMD with dot products of bytes (ARMv8.2's asimddp)

  static CpuFeatures detect();
};

}  // namespace quern
