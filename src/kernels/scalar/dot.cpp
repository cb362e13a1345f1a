#include "kernels/scalar/dot.h"

#include <array>

#include "base/check.h"
#include "kernels/scalar/dequantise.h"

namespace quern {

double reference_dot(DType dtype, const std::byte* row, const float* x, size_t n) {
  const DTypeTraits& t = traits(dtype);
  QUERN_CHECK(n % t.block_elements == 0);
  std::array<float, 256> block{};  // the largest block_elements of any type
  double sum = 0.0;
  for (size_t start = 0; start < n; start += t.block_elements) {
    dequantise_row(dtype, row + start / t.block_elements * t.block_bytes, block.data(),
                   t.block_elements);
    for (size_t i = 0; i < t.block_elements; ++i) {
      sum += static_cast<double>(block[i]) * static_cast<double>(x[start + i]);
    }
  }
  return sum;
}

}  // namespace quern
