#include "kernels/kernel_table.h"

namespace quern {
namespace {

constexpr uint32_t kBlockTokens = 16;

uint32_t round_up(uint32_t n, uint32_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

}  // namespace

uint32_t kv_head_stride(KvDType type, uint32_t head_dim) {
  return round_up(head_dim, type == KvDType::q8_0 ? 32 : 16);
}

size_t kv_head_bytes(KvDType type, uint32_t head_dim) {
  const size_t stride = kv_head_stride(type, head_dim);
  switch (type) {
    case KvDType::f16:
      return stride * kBlockTokens * 2;
    case KvDType::f32:
      return stride * kBlockTokens * 4;
    case KvDType::q8_0:
      return (stride + stride / 32 * 4) * kBlockTokens;
  }
  return 0;
}

const KernelTable* choose_kernels(const CpuFeatures& features,
                                  std::optional<std::string_view> forced) {
  const KernelTable* const avx512 = features.avx512 ? avx512_kernels() : nullptr;
  const KernelTable* const avx2 = features.avx2 ? avx2_kernels() : nullptr;
  const KernelTable* const neon = features.neon_dot ? neon_kernels() : nullptr;
  for (const KernelTable* table : {avx512, avx2, neon, &scalar_kernels()}) {
    if (table != nullptr && (!forced || *forced == table->isa)) {
      return table;
    }
  }
  return nullptr;
}

}  // namespace quern
