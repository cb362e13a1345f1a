// The 256-column super-blocks Q4_K, Q5_K and Q6_K.
#include "kernels/neon/matmul_codes.h"
#include "kernels/neon/tables.h"

namespace quern::neon {

void matmul_q4_k(const MatmulArgs& args) {
  matmul_codes<FormatQ4K>(args);
}
void matmul_q5_k(const MatmulArgs& args) {
  matmul_codes<FormatQ5K>(args);
}
void matmul_q6_k(const MatmulArgs& args) {
  matmul_codes<FormatQ6K>(args);
}

}  // namespace quern::neon
