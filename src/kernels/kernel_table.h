// KernelTable: the compute kernels of one instruction set, as function pointers.
// Kernels allocate nothing, start no threads and keep the determinism promise: what a token's row
// comes out as depends on that row alone, never on which other rows or threads take part. The
// scalar table is the specification that the others are tested against.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/cpu_features.h"
#include "base/ids.h"
#include "tensor/dtype.h"

namespace quern {

// Tokens that a matmul tile holds in registers; activations are stored in groups of this many.
inline constexpr uint32_t kTileTokens =
    6;  // 6 tokens x 2 x 16 rows: 12 i32 + 12 f32 of 32 registers
// Activations are quantised in blocks of this many columns.
inline constexpr uint32_t kActivationBlock = 32;

// Activations made ready for matmul. Tokens lie in groups of kTileTokens (the last group may hold
// fewer); g is a group's first token, T its number of tokens. Formats of blocks use the first
// three, plain formats `floats`.
struct Prepared {
  int8_t* codes = nullptr;  // at g * n_columns: [n_columns / 4][T][4], x ~= scale * code
  float* scales = nullptr;  // at g * n_columns / 32: [n_columns / 32][T]
  int32_t* sums = nullptr;  // at g * n_columns / 16: [n_columns / 16][T], sums of 16 codes
  float* floats = nullptr;  // at g * n_columns: [n_columns][T]
};

// `paired` operands hold each token twice: rows 2t and 2t + 1 are its codes and the codes of what
// rounding left over (a 254th of the scale), so that activations count with 15 bits instead of 8;
// n_tokens counts both, and matmul adds their results. A table may instead keep the two codes of a
// token as one of 16 bits in the same memory.
struct PrepareArgs {
  const float* x = nullptr;  // [n_tokens, n_columns] f32, rows x_stride apart
  size_t x_stride = 0;
  uint32_t n_tokens = 0;     // of the whole operand
  uint32_t first_token = 0;  // tokens [first_token, last_token) are prepared by this call
  uint32_t last_token = 0;
  uint32_t n_columns = 0;
  bool paired = false;  // codes only; x has n_tokens / 2 rows, first_token and last_token are even
  Prepared out;
};

struct MatmulArgs {
  const std::byte* weights = nullptr;  // packed panels of the whole matrix
  uint32_t n_rows = 0;                 // of the matrix, before padding
  uint32_t n_columns = 0;
  uint32_t first_tile = 0;  // tiles of tile_rows rows; [first_tile, last_tile) are computed
  uint32_t last_tile = 0;
  Prepared x;
  uint32_t n_tokens = 0;
  bool paired = false;          // out has n_tokens / 2 rows, each the sum of two
  const float* bias = nullptr;  // [n_rows] or null
  float* out = nullptr;         // [n_tokens, n_rows] f32, rows out_stride apart
  size_t out_stride = 0;
  std::byte* scratch = nullptr;  // matmul_scratch_bytes() of the thread's own, 64-byte aligned
};

struct RmsNormArgs {
  const float* x = nullptr;  // [n_rows, n_columns], rows x_stride apart
  size_t x_stride = 0;
  const float* weight = nullptr;  // [n_columns]
  float* out = nullptr;           // may equal x
  size_t out_stride = 0;
  uint32_t n_rows = 0;
  uint32_t n_columns = 0;
  float eps = 0;
};

// cos_sin: [n_rows][2][n_rotated / 2], cosines then sines. Pairs are (i, i + n_rotated / 2) or,
// interleaved, (2i, 2i + 1).
struct RopeArgs {
  float* x = nullptr;  // [n_rows, n_heads, head_dim], rows x_stride apart, in place
  size_t x_stride = 0;
  const float* cos_sin = nullptr;
  uint32_t n_rows = 0;
  uint32_t n_heads = 0;
  uint32_t head_dim = 0;
  uint32_t n_rotated = 0;
  bool interleaved = false;
};

// A layer's KV memory. head_stride is head_dim rounded up to kv_head_stride()'s multiple, so that
// vector loads never need a tail. K: [block][kv_head][head_stride][16 tokens]; V:
// [block][kv_head][16 tokens][head_stride]. q8_0 has a scale per 32 dimensions of a token before
// the codes: K: {[head_stride / 32][16] f32, [head_stride][16] i8}, V: {[16][head_stride / 32] f32,
// [16][head_stride] i8}.
struct KvLayer {
  std::byte* k = nullptr;
  std::byte* v = nullptr;
  KvDType type = KvDType::f16;
  uint32_t n_kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t head_stride = 0;
  size_t head_bytes = 0;    // of one kv_head of one block, K or V
  size_t head_pitch = 0;    // bytes from one kv_head's K to the next one's, and from V to V
  size_t block_stride = 0;  // the same from block to block

  // Of a block's kv_head, from k or v on.
  size_t offset(BlockId block, size_t kv_head) const {
    return static_cast<size_t>(block) * block_stride + kv_head * head_pitch;
  }
};

// head_dim rounded up to what a KvLayer of `type` stores.
uint32_t kv_head_stride(KvDType type, uint32_t head_dim);
// Bytes of one kv_head of one block of K (V takes the same).
size_t kv_head_bytes(KvDType type, uint32_t head_dim);

struct KvWriteArgs {
  KvLayer layer;
  const float* k = nullptr;  // [n_kv_heads, head_dim] of one token
  const float* v = nullptr;
  BlockId block{};
  uint32_t slot = 0;  // 0 .. 15
};

// Keys are walked in partitions of this many absolute positions, each summed on its own and merged
// in order.
inline constexpr uint32_t kAttentionPartition = 256;
// Query rows (tokens x heads of one KV head) that one attention call handles at once.
inline constexpr uint32_t kAttentionQueries = 6;

// Softmax state of a query over some keys: out is not yet divided by `sum`.
struct AttentionState {
  float* max = nullptr;  // [n_queries]
  float* sum = nullptr;  // [n_queries]
  float* out = nullptr;  // [n_queries, head_stride]
};

// What a thread will attend to after this, to be fetched meanwhile. n_blocks 0: nothing known.
struct NextKeys {
  const BlockId* blocks = nullptr;  // from the first to walk on
  uint32_t n_blocks = 0;
  uint32_t kv_head = 0;
};

// One partition of one KV head for up to kAttentionQueries queries.
struct AttentionArgs {
  KvLayer layer;
  uint32_t kv_head = 0;
  const BlockId* blocks = nullptr;  // the sequence's block table
  uint32_t first_key = 0;           // a multiple of kAttentionPartition
  uint32_t n_queries = 0;
  const float* const* q = nullptr;  // [n_queries] pointers to [head_dim]
  // [n_queries] keys each may see, counted from position 0.
  const uint32_t* n_keys = nullptr;
  // [n_queries] first key each may see (sliding window), or null.
  const uint32_t* min_key = nullptr;
  float scale = 0;           // on q . k
  float softcap = 0;         // scores become cap * tanh(score / cap); 0 is off
  AttentionState state;      // written; a query that sees no key here gets max -inf, sum 0, out 0
  float* scratch = nullptr;  // kAttentionQueries * kAttentionPartition floats
  bool fetch_ahead = true;   // false where the caches hold these keys and values already
  bool fetched = false;      // the call before this one had this partition as `next`
  NextKeys next = {};
};

struct AttentionFinishArgs {
  AttentionState state;
  uint32_t n_queries = 0;
  uint32_t head_dim = 0;
  uint32_t head_stride = 0;
  float* const* out = nullptr;  // [n_queries] pointers to [head_dim], set to state.out / state.sum
};

enum class Activation : uint8_t { silu, gelu_tanh };

struct GatedArgs {
  const float* gate = nullptr;
  const float* up = nullptr;
  float* out = nullptr;  // activation(gate) * up; may equal gate
  size_t n = 0;
  Activation activation = Activation::silu;
};

// x += scale * y, each element rounded once (fused).
struct AddScaledArgs {
  float* x = nullptr;
  const float* y = nullptr;
  float scale = 0;
  size_t n = 0;
};

// Small loops that come as near as code can to what the machine is able to do, for figures in
// percent of peak. Each does at least the amount asked for and returns the amount it did; the
// caller takes the time. They share nothing, so one on every thread gives the machine's peak.
struct PeakLoops {
  // Multiplications and additions (2 per pair of codes) of the int8 dot product that matmul uses.
  uint64_t (*int8_ops)(uint64_t n_ops) = nullptr;
  // Multiplications and additions of f32 numbers.
  uint64_t (*f32_ops)(uint64_t n_ops) = nullptr;
  // Reads a 64-byte aligned buffer once, but for what does not fill a round; returns the bytes
  // read.
  uint64_t (*read_bytes)(const std::byte* data, size_t n_bytes) = nullptr;
};

struct KernelTable {
  std::string_view isa;
  uint32_t panel_rows = 0;  // rows interleaved in a packed panel
  uint32_t tile_rows =
      0;  // rows a matmul tile computes, a multiple of panel_rows; matrices are padded to it

  void (*prepare_codes)(const PrepareArgs&) = nullptr;   // for formats of blocks
  void (*prepare_floats)(const PrepareArgs&) = nullptr;  // for plain formats
  size_t (*matmul_scratch_bytes)(uint32_t n_columns) = nullptr;
  void (*matmul[kDTypeCount])(const MatmulArgs&) = {};  // null where the type has no kernels

  void (*rms_norm)(const RmsNormArgs&) = nullptr;
  void (*rope)(const RopeArgs&) = nullptr;
  void (*add)(float* x, const float* y, size_t n) = nullptr;  // x += y
  void (*add_scaled)(const AddScaledArgs&) = nullptr;
  void (*gated)(const GatedArgs&) = nullptr;
  void (*kv_write)(const KvWriteArgs&) = nullptr;
  void (*attention)(const AttentionArgs&) = nullptr;
  // Adds what `from` holds of later keys to `into`, for n queries of head_stride floats each.
  void (*attention_merge)(const AttentionState& into, const AttentionState& from,
                          uint32_t n_queries, uint32_t head_stride) = nullptr;
  void (*attention_finish)(const AttentionFinishArgs&) = nullptr;

  PeakLoops peak;
};

const KernelTable& scalar_kernels();
// Null where this build has none for the machine's architecture.
const KernelTable* avx2_kernels();
const KernelTable* avx512_kernels();
const KernelTable* neon_kernels();

// The best table for `features`, or the one called `forced` ("scalar", "avx2", "avx512", "neon");
// null when that one is unknown or the machine cannot run it.
const KernelTable* choose_kernels(const CpuFeatures& features,
                                  std::optional<std::string_view> forced);

}  // namespace quern
