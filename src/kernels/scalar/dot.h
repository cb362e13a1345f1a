// The dot product that every fast matrix kernel is tested against.
#pragma once

#include <cstddef>

#include "tensor/dtype.h"

namespace quern {

// Sum over the n elements of dequantised row times x, products and sum in double.
// The preconditions of dequantise_row hold. Pure; safe from any thread.
double reference_dot(DType dtype, const std::byte* row, const float* x, size_t n);

}  // namespace quern
