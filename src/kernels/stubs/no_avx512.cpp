// Stands in for the AVX-512 table on other architectures.
#include "kernels/kernel_table.h"

namespace quern {

const KernelTable* avx512_kernels() {
  return nullptr;
}

}  // namespace quern
