// The formats of 32-column blocks.
#include <algorithm>

#include "kernels/avx2/matmul_codes.h"
#include "kernels/avx2/tables.h"

namespace quern::avx2 {

void matmul_q4_0(const MatmulArgs& args) {
  matmul_codes<FormatQ40>(args);
}
void matmul_q4_1(const MatmulArgs& args) {
  matmul_codes<FormatQ41>(args);
}
void matmul_q5_0(const MatmulArgs& args) {
  matmul_codes<FormatQ50>(args);
}
void matmul_q5_1(const MatmulArgs& args) {
  matmul_codes<FormatQ51>(args);
}
void matmul_q8_0(const MatmulArgs& args) {
  matmul_codes<FormatQ80>(args);
}
void matmul_iq4_nl(const MatmulArgs& args) {
  matmul_codes<FormatIq4Nl>(args);
}
void matmul_mxfp4(const MatmulArgs& args) {
  matmul_codes<FormatMxfp4>(args);
}

// For the widest need, 16-column scales with minima; see carve_scratch(). Fewer tiles of wide codes
// are unpacked at once, but one at least.
size_t matmul_scratch_bytes(uint32_t n_columns) {
  const size_t tiles = tiles_at_once(n_columns);
  const size_t tile_bytes = size_t{n_columns} * kPairRows;
  return all_table_bytes(n_columns) + 2 * tile_scale_floats(n_columns) * 4 * tiles +
         std::max(tile_bytes * tiles, 2 * tile_bytes);
}

}  // namespace quern::avx2
