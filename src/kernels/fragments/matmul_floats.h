// How tiles, groups of tokens and columns are walked, for matrices of plain weights. No include
// guard: an instruction set's matmul_floats.cpp includes this inside its unnamed namespace, after
//   group<W, kTiles, T>(args, part)   kTiles tiles for one group of T tokens
//   kTilesAtOnce<T>                   how many; few tokens leave registers free, and more tiles
//   then
//                                     keep enough chains in flight
//   kColumnsAtOnce, kTilesAPass<W>    columns and tiles of weights that every group of tokens walks
//                                     over before the next ones: such a block of weights stays in
//                                     the second cache, a group's columns in the first

template <class W, int T>
void tiles(const MatmulArgs& args, Part part) {
  constexpr uint32_t kTiles = kTilesAtOnce<T>;
  for (part.tile = args.first_tile; part.tile + kTiles <= args.last_tile; part.tile += kTiles) {
    group<W, kTiles, T>(args, part);
  }
  for (; part.tile < args.last_tile; ++part.tile) {
    group<W, 1, T>(args, part);
  }
}

template <class W>
void rest(const MatmulArgs& args, const Part& part) {
  switch (args.n_tokens - part.token) {
    case 1:
      return tiles<W, 1>(args, part);
    case 2:
      return tiles<W, 2>(args, part);
    case 3:
      return tiles<W, 3>(args, part);
    case 4:
      return tiles<W, 4>(args, part);
    case 5:
      return tiles<W, 5>(args, part);
    default:
      return;
  }
}

// Tiles outside, columns within, tokens inside, so that a tile of weights is read from memory once
// and then from the cache.
template <class W>
void matmul(const MatmulArgs& args) {
  const size_t n_columns = args.n_columns;
  if (args.n_tokens < kTileTokens) {
    rest<W>(args, {args.first_tile, 0, 0, n_columns});
    return;
  }
  MatmulArgs pass = args;
  for (uint32_t tile = args.first_tile; tile < args.last_tile; tile += kTilesAPass<W>) {
    pass.first_tile = tile;
    pass.last_tile =
        args.last_tile - tile < kTilesAPass<W> ? args.last_tile : tile + kTilesAPass<W>;
    for (size_t column = 0; column < n_columns; column += kColumnsAtOnce) {
      const size_t last = n_columns - column < kColumnsAtOnce ? n_columns : column + kColumnsAtOnce;
      Part part{tile, 0, column, last};
      for (; part.token + kTileTokens <= args.n_tokens; part.token += kTileTokens) {
        tiles<W, kTileTokens>(pass, part);
      }
      rest<W>(pass, part);
    }
  }
}
