// Stands in for the NEON table on other architectures.
#include "kernels/kernel_table.h"

namespace quern {

const KernelTable* neon_kernels() {
  return nullptr;
}

}  // namespace quern
