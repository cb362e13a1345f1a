// Stands in for the AVX2 table on other architectures.
#include "kernels/kernel_table.h"

namespace quern {

const KernelTable* avx2_kernels() {
  return nullptr;
}

}  // namespace quern
