// Tiles of packed weights and what is known of them before any arithmetic. No include guard: an x86
// instruction set's matmul_codes.h includes this inside its unnamed namespace, after
//   kMaxT, kPairRows   tokens of a group, rows of a tile
//   kUnpackedBytes     what unpacked tiles that share one pass over the activations may take

// Tiles [first, last).
struct TileRange {
  uint32_t first;
  uint32_t last;
};

// Packed weights that come next, fetched while the arithmetic of this tile runs: otherwise a core
// waits for memory whenever it unpacks, and that is most of the time with few tokens a tile.
struct Ahead {
  const uint8_t* at = nullptr;
  int lines_per_block = 0;
};

// At each block of the tile that is worked on.
QUERN_INLINE void fetch_some(Ahead& ahead) {
  for (int line = 0; line < ahead.lines_per_block; ++line, ahead.at += 64) {
    __builtin_prefetch(ahead.at);
  }
}

// The tiles that lie unpacked in scratch, and what a group fetches of those after.
struct UnpackedTiles {
  TileRange tiles;
  Ahead ahead;
};

// Where a group's tokens and a tile's rows meet the output.
struct OutputRows {
  float* out;  // of the group's first token
  size_t stride;
  const float* bias;
  int first_row;
  int n_rows;   // of the matrix
  bool paired;  // two accumulators make an output row
};

// For the group of tokens that begins at `token`.
inline OutputRows output_rows(const MatmulArgs& args, uint32_t tile, size_t token) {
  const size_t row = args.paired ? token / 2 : token;
  return {args.out + row * args.out_stride,
          args.out_stride,
          args.bias,
          static_cast<int>(tile) * kPairRows,
          static_cast<int>(args.n_rows),
          args.paired};
}

constexpr size_t round_up_64(size_t n) {
  return (n + 63) / 64 * 64;
}
constexpr size_t tiles_at_once(size_t n_columns) {
  const size_t n = kUnpackedBytes / (n_columns * kPairRows);
  return n < 1 ? 1 : n;
}
// Floats of a tile's scales (or minima), for the widest need.
constexpr size_t tile_scale_floats(size_t n_columns) {
  return round_up_64(n_columns / 16 * kPairRows * 4) / 4;
}
// One of a group's tables.
constexpr size_t table_bytes(size_t n_columns) {
  return round_up_64(n_columns / 16 * kMaxT * 4);
}

template <class F>
const uint8_t* tile_weights(const MatmulArgs& args, uint32_t tile) {
  const size_t tile_bytes = size_t{args.n_columns} / F::kElements * F::kBytes * 2;
  return reinterpret_cast<const uint8_t*>(args.weights) + tile * tile_bytes;
}

// So few tokens that their codes stay in the caches: tiles one by one, each fetched during the one
// before.
constexpr uint32_t kFewTokens = 96;

// What group g fetches of the tile after `tile`.
template <class F>
Ahead next_tile(const MatmulArgs& args, uint32_t tile, size_t g) {
  const size_t n_groups = (args.n_tokens + kTileTokens - 1) / kTileTokens;
  const size_t n_blocks = args.n_columns / 32;
  const size_t n_visits = n_groups * n_blocks;  // of a tile's blocks, to spread the fetching over
  if (n_visits == 0 || args.n_tokens > kFewTokens || tile + 1 >= args.last_tile) {
    return {};
  }
  const size_t n_lines = n_blocks * 32 / F::kElements * F::kBytes * 2 / 64;
  const size_t per_block = (n_lines + n_visits - 1) / n_visits;
  if (g * n_blocks * per_block >= n_lines) {
    return {};
  }
  return {tile_weights<F>(args, tile + 1) + g * n_blocks * per_block * 64,
          static_cast<int>(per_block)};
}
