// Encoding of float rows into the block formats. Plain: no importance weights; each format's scales
// are searched for the least squared error of the values themselves.
#pragma once

#include <cstddef>

#include "base/result.h"
#include "tensor/dtype.h"

namespace quern {

// Encodes `n_elements` (whole blocks of `dtype`) from `in` to `out`, which holds
// row_bytes(dtype, n_elements) and needs no alignment. Writes every type that dequantise_row reads.
// Errors, invalid_input: a value that is not finite or too large for the format (beyond +-65504
// where a scale is stored as f16); unsupported: a type without a quantiser. On an error the content
// of `out` is unspecified. Pure and deterministic; safe from any thread.
Status quantise_row(DType dtype, const float* in, std::byte* out, size_t n_elements);

}  // namespace quern
