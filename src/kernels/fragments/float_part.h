// What one call of a plain weights' inner kernel works on. No include guard: an instruction set's
// matmul_floats.cpp includes this inside its unnamed namespace, before that kernel.

// Columns [first_column, last_column) of the tiles from `tile` on, for the group of tokens from
// `token` on. Sums go on from what `out` holds, except at the first column.
struct Part {
  uint32_t tile;
  size_t token;
  size_t first_column;
  size_t last_column;
};
