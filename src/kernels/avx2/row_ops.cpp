// The width-independent kernels, compiled for 256-bit registers.
#include "kernels/simd/vec_avx2.h"
// After the vector type:
#include "kernels/avx2/tables.h"
#include "kernels/simd/attention.h"
#include "kernels/simd/row_ops.h"

namespace quern::avx2 {
#include "kernels/fragments/row_ops.h"
}  // namespace quern::avx2
