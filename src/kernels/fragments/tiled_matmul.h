// Many tokens: tiles are unpacked to scratch, and every group of tokens walks over them. No include
// guard: an x86 instruction set's matmul_codes.h includes this inside its unnamed namespace, after
// fragments/tiles.h and
//   kCodeBytes<F>                                         of an unpacked code
//   carve_scratch(bytes, n_columns)                       a Scratch with scales and codes
//   unpack_pair<F>(weights, n_columns, codes, scales)     one tile
//   tiled_group<F, T>(args, scratch, tiles, token)        one group of T tokens

template <class F>
void tiled_rest(const MatmulArgs& args, const Scratch& scratch, const UnpackedTiles& tiles,
                size_t token) {
  switch (args.n_tokens - token) {
    case 1:
      return tiled_group<F, 1>(args, scratch, tiles, token);
    case 2:
      return tiled_group<F, 2>(args, scratch, tiles, token);
    case 3:
      return tiled_group<F, 3>(args, scratch, tiles, token);
    case 4:
      return tiled_group<F, 4>(args, scratch, tiles, token);
    case 5:
      return tiled_group<F, 5>(args, scratch, tiles, token);
    default:
      return;
  }
}

template <class F>
void tiled_matmul(const MatmulArgs& args) {
  const size_t n_columns = args.n_columns;
  const Scratch scratch = carve_scratch(args.scratch, n_columns);
  const auto step = args.n_tokens <= kFewTokens
                        ? 1U
                        : static_cast<uint32_t>(tiles_at_once(n_columns * kCodeBytes<F>));
  for (uint32_t first = args.first_tile; first < args.last_tile; first += step) {
    const uint32_t last = args.last_tile - first < step ? args.last_tile : first + step;
    for (uint32_t tile = first; tile < last; ++tile) {
      const size_t slot = tile - first;
      const size_t at = slot * tile_scale_floats(n_columns);
      unpack_pair<F>(tile_weights<F>(args, tile), static_cast<int>(n_columns),
                     scratch.codes + slot * n_columns * kPairRows * kCodeBytes<F>,
                     {scratch.scales.s + at, scratch.scales.m + at});
    }
    size_t token = 0;
    for (; token + kTileTokens <= args.n_tokens; token += kTileTokens) {
      const UnpackedTiles tiles{{first, last}, next_tile<F>(args, first, token / kTileTokens)};
      tiled_group<F, kMaxT>(args, scratch, tiles, token);
    }
    tiled_rest<F>(args, scratch, {{first, last}, next_tile<F>(args, first, token / kTileTokens)},
                  token);
  }
}
