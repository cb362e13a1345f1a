// The width-independent kernels, compiled for 128-bit registers.
#include "kernels/simd/vec_neon.h"
// After the vector type:
#include "kernels/neon/tables.h"
#include "kernels/simd/attention.h"
#include "kernels/simd/row_ops.h"

namespace quern::neon {
#include "kernels/fragments/row_ops.h"
}  // namespace quern::neon
