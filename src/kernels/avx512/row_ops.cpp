// The width-independent kernels, compiled for 512-bit registers.
#include "kernels/simd/vec_avx512.h"
// After the vector type:
#include "kernels/avx512/tables.h"
#include "kernels/simd/attention.h"
#include "kernels/simd/row_ops.h"

namespace quern::avx512 {
#include "kernels/fragments/row_ops.h"
}  // namespace quern::avx512
