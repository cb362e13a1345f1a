// Decoding of weight rows: the specification that every faster kernel is tested against.
#pragma once

#include <cstddef>

#include "tensor/dtype.h"

namespace quern {

// True for the types below: F32, F16, BF16 and the block formats of tensor/blocks.h.
bool can_dequantise(DType dtype);

// Writes `n_elements` values of a row stored as `dtype` at `blocks` to `out`. `n_elements` must be
// whole blocks and can_dequantise(dtype) true. `blocks` needs no alignment. Values are computed as
// (d * s) * q [- dmin * z] in f32, which is exact up to the subtraction for all formats but Q6_K
// and IQ4_XS, where the last product rounds once. Pure; safe from any thread.
void dequantise_row(DType dtype, const std::byte* blocks, float* out, size_t n_elements);

}  // namespace quern
