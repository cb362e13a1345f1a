// How tiles and groups of tokens are walked, for matrices of plain weights. No include guard: an
// instruction set's matmul_floats.cpp includes this inside its unnamed namespace, after
//   group<W, kTiles, T>(args, tile, token)   kTiles tiles for one group of T tokens
//   kTilesAtOnce<T>                          how many; few tokens leave registers free, and more
//   tiles
//                                            then keep enough chains in flight

template <class W, int T>
void tiles(const MatmulArgs& args, size_t token) {
  constexpr uint32_t kTiles = kTilesAtOnce<T>;
  uint32_t tile = args.first_tile;
  for (; tile + kTiles <= args.last_tile; tile += kTiles) {
    group<W, kTiles, T>(args, tile, token);
  }
  for (; tile < args.last_tile; ++tile) {
    group<W, 1, T>(args, tile, token);
  }
}

template <class W>
void rest(const MatmulArgs& args, size_t token) {
  switch (args.n_tokens - token) {
    case 1:
      return tiles<W, 1>(args, token);
    case 2:
      return tiles<W, 2>(args, token);
    case 3:
      return tiles<W, 3>(args, token);
    case 4:
      return tiles<W, 4>(args, token);
    case 5:
      return tiles<W, 5>(args, token);
    default:
      return;
  }
}

// Tiles outside, tokens inside, so that a tile of weights is read from memory once and then from
// the cache.
template <class W>
void matmul(const MatmulArgs& args) {
  if (args.n_tokens < kTileTokens) {
    rest<W>(args, 0);
    return;
  }
  MatmulArgs one = args;
  for (uint32_t tile = args.first_tile; tile < args.last_tile; ++tile) {
    one.first_tile = tile;
    one.last_tile = tile + 1;
    size_t token = 0;
    for (; token + kTileTokens <= args.n_tokens; token += kTileTokens) {
      tiles<W, kTileTokens>(one, token);
    }
    rest<W>(one, token);
  }
}
