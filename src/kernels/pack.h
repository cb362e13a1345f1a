// Packing: the bytes of `panel_rows` weight rows rearranged so that one vector load gives the same
// field of every row. It moves bytes and loses none, so a packed matrix takes what the file's does
// (rows are padded to whole panels) and a row can be taken out again exactly.
//
// A packed panel holds, for each unit of columns (a block, or 1 column for plain types) in order,
// the fields of the unit's blocks; a field of n elements is stored [n][panel_rows].
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace quern {

// A run of equal elements inside a block: `n` elements of `element_bytes` from `offset` on.
struct PackField {
  uint16_t offset = 0;
  uint8_t element_bytes = 0;
  uint8_t n = 0;
};

// The fields of a block in the order in which a panel stores them. Together they cover the block.
struct PackSpec {
  std::array<PackField, 5> fields{};
  uint32_t n_fields = 0;
  uint32_t block_bytes = 0;
  uint32_t block_elements = 0;
};

// The layout that every vector kernel of `dtype` reads. `dtype` must have kernels.
const PackSpec& pack_spec(DType dtype);

struct PackArgs {
  DType dtype = DType::f32;
  uint32_t panel_rows = 0;
  uint32_t n_columns = 0;  // whole blocks
  uint32_t n_rows = 0;  // rows present in `rows`, at most panel_rows; the others become zero bytes
  const std::byte* rows = nullptr;  // [n_rows] rows one after another, as in the file
  std::byte* panel = nullptr;       // panel_rows * row bytes
};
void pack_panel(const PackArgs& args);

struct ExtractArgs {
  DType dtype = DType::f32;
  uint32_t panel_rows = 0;
  uint32_t n_columns = 0;
  uint32_t row = 0;  // within the panel
  const std::byte* panel = nullptr;
  std::byte* out = nullptr;  // one row's bytes, as in the file
};
void extract_row(const ExtractArgs& args);

}  // namespace quern
