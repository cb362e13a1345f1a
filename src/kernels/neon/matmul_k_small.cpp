// The 256-column super-blocks Q2_K, Q3_K and IQ4_XS.
#include "kernels/neon/matmul_codes.h"
#include "kernels/neon/tables.h"

namespace quern::neon {

void matmul_q2_k(const MatmulArgs& args) {
  matmul_codes<FormatQ2K>(args);
}
void matmul_q3_k(const MatmulArgs& args) {
  matmul_codes<FormatQ3K>(args);
}
void matmul_iq4_xs(const MatmulArgs& args) {
  matmul_codes<FormatIq4Xs>(args);
}

}  // namespace quern::neon
