#include "kernels/pack.h"

#include <cstring>

#include "base/check.h"
#include "tensor/blocks.h"

namespace quern {
namespace {

template <size_t N>
constexpr PackSpec make_spec(uint32_t block_bytes, uint32_t block_elements,
                             const PackField (&fields)[N]) {
  PackSpec spec;
  for (const PackField& field : fields) {
    spec.fields[spec.n_fields++] = field;
  }
  spec.block_bytes = block_bytes;
  spec.block_elements = block_elements;
  return spec;
}

// Codes come first, so that they start on the panel's alignment; scales follow.
#define QUERN_FIELD(Block, member, bytes)                     \
  PackField {                                                 \
    static_cast<uint16_t>(offsetof(Block, member)), bytes,    \
        static_cast<uint8_t>(sizeof(Block::member) / (bytes)) \
  }
#define QUERN_SPEC(Block, ...) make_spec(sizeof(Block), Block::kElements, {__VA_ARGS__})

constexpr PackSpec kF32 = make_spec(4, 1, {{.offset = 0, .element_bytes = 4, .n = 1}});
constexpr PackSpec kF16 = make_spec(2, 1, {{.offset = 0, .element_bytes = 2, .n = 1}});
constexpr PackSpec kQ40 =
    QUERN_SPEC(BlockQ40, QUERN_FIELD(BlockQ40, qs, 4), QUERN_FIELD(BlockQ40, d, 2));
constexpr PackSpec kQ41 = QUERN_SPEC(BlockQ41, QUERN_FIELD(BlockQ41, qs, 4),
                                     QUERN_FIELD(BlockQ41, d, 2), QUERN_FIELD(BlockQ41, m, 2));
constexpr PackSpec kQ50 = QUERN_SPEC(BlockQ50, QUERN_FIELD(BlockQ50, qs, 4),
                                     QUERN_FIELD(BlockQ50, qh, 4), QUERN_FIELD(BlockQ50, d, 2));
constexpr PackSpec kQ51 =
    QUERN_SPEC(BlockQ51, QUERN_FIELD(BlockQ51, qs, 4), QUERN_FIELD(BlockQ51, qh, 4),
               QUERN_FIELD(BlockQ51, d, 2), QUERN_FIELD(BlockQ51, m, 2));
constexpr PackSpec kQ80 =
    QUERN_SPEC(BlockQ80, QUERN_FIELD(BlockQ80, qs, 4), QUERN_FIELD(BlockQ80, d, 2));
constexpr PackSpec kQ2K =
    QUERN_SPEC(BlockQ2K, QUERN_FIELD(BlockQ2K, qs, 4), QUERN_FIELD(BlockQ2K, scales, 1),
               QUERN_FIELD(BlockQ2K, d, 2), QUERN_FIELD(BlockQ2K, dmin, 2));
constexpr PackSpec kQ3K =
    QUERN_SPEC(BlockQ3K, QUERN_FIELD(BlockQ3K, qs, 4), QUERN_FIELD(BlockQ3K, hmask, 4),
               QUERN_FIELD(BlockQ3K, scales, 1), QUERN_FIELD(BlockQ3K, d, 2));
constexpr PackSpec kQ4K =
    QUERN_SPEC(BlockQ4K, QUERN_FIELD(BlockQ4K, qs, 4), QUERN_FIELD(BlockQ4K, scales, 1),
               QUERN_FIELD(BlockQ4K, d, 2), QUERN_FIELD(BlockQ4K, dmin, 2));
constexpr PackSpec kQ5K = QUERN_SPEC(BlockQ5K, QUERN_FIELD(BlockQ5K, qs, 4),
                                     QUERN_FIELD(BlockQ5K, qh, 4), QUERN_FIELD(BlockQ5K, scales, 1),
                                     QUERN_FIELD(BlockQ5K, d, 2), QUERN_FIELD(BlockQ5K, dmin, 2));
constexpr PackSpec kQ6K =
    QUERN_SPEC(BlockQ6K, QUERN_FIELD(BlockQ6K, ql, 4), QUERN_FIELD(BlockQ6K, qh, 4),
               QUERN_FIELD(BlockQ6K, scales, 1), QUERN_FIELD(BlockQ6K, d, 2));
constexpr PackSpec kIq4Nl =
    QUERN_SPEC(BlockIq4Nl, QUERN_FIELD(BlockIq4Nl, qs, 4), QUERN_FIELD(BlockIq4Nl, d, 2));
constexpr PackSpec kIq4Xs =
    QUERN_SPEC(BlockIq4Xs, QUERN_FIELD(BlockIq4Xs, qs, 4), QUERN_FIELD(BlockIq4Xs, scales_l, 1),
               QUERN_FIELD(BlockIq4Xs, d, 2), QUERN_FIELD(BlockIq4Xs, scales_h, 2));
constexpr PackSpec kMxfp4 =
    QUERN_SPEC(BlockMxfp4, QUERN_FIELD(BlockMxfp4, qs, 4), QUERN_FIELD(BlockMxfp4, e, 1));

#undef QUERN_SPEC
#undef QUERN_FIELD

// Copies `n` elements of T per row between a row's block and its column of the panel.
template <typename T, bool kExtract>
void move_field(std::byte* row, std::byte* panel, uint32_t n, uint32_t panel_rows) {
  for (uint32_t i = 0; i < n; ++i) {
    std::byte* in_row = row + i * sizeof(T);
    std::byte* in_panel = panel + size_t{i} * panel_rows * sizeof(T);
    std::memcpy(kExtract ? in_row : in_panel, kExtract ? in_panel : in_row, sizeof(T));
  }
}

template <bool kExtract>
void move_block(const PackSpec& spec, std::byte* block, std::byte* unit, uint32_t panel_rows,
                uint32_t row) {
  for (uint32_t f = 0; f < spec.n_fields; ++f) {
    const PackField field = spec.fields[f];
    std::byte* in_row = block + field.offset;
    std::byte* in_panel = unit + size_t{row} * field.element_bytes;
    switch (field.element_bytes) {
      case 1:
        move_field<uint8_t, kExtract>(in_row, in_panel, field.n, panel_rows);
        break;
      case 2:
        move_field<uint16_t, kExtract>(in_row, in_panel, field.n, panel_rows);
        break;
      default:
        move_field<uint32_t, kExtract>(in_row, in_panel, field.n, panel_rows);
        break;
    }
    unit += size_t{field.element_bytes} * field.n * panel_rows;
  }
}

template <bool kExtract>
void move_row(const PackSpec& spec, const PackArgs& args, std::byte* row_bytes, uint32_t row) {
  const uint32_t n_blocks = args.n_columns / spec.block_elements;
  const size_t unit_bytes = size_t{spec.block_bytes} * args.panel_rows;
  for (uint32_t b = 0; b < n_blocks; ++b) {
    move_block<kExtract>(spec, row_bytes + size_t{b} * spec.block_bytes,
                         args.panel + b * unit_bytes, args.panel_rows, row);
  }
}

}  // namespace

const PackSpec& pack_spec(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return kF32;
    case DType::f16:
    case DType::bf16:
      return kF16;
    case DType::q4_0:
      return kQ40;
    case DType::q4_1:
      return kQ41;
    case DType::q5_0:
      return kQ50;
    case DType::q5_1:
      return kQ51;
    case DType::q8_0:
      return kQ80;
    case DType::q2_k:
      return kQ2K;
    case DType::q3_k:
      return kQ3K;
    case DType::q4_k:
      return kQ4K;
    case DType::q5_k:
      return kQ5K;
    case DType::q6_k:
      return kQ6K;
    case DType::iq4_nl:
      return kIq4Nl;
    case DType::iq4_xs:
      return kIq4Xs;
    case DType::mxfp4:
      return kMxfp4;
    default:
      break;
  }
  check_failed("the type has kernels", __FILE__, __LINE__);
}

void pack_panel(const PackArgs& args) {
  const PackSpec& spec = pack_spec(args.dtype);
  QUERN_CHECK(args.n_columns % spec.block_elements == 0 && args.n_rows <= args.panel_rows);
  const size_t bytes_per_row = size_t{args.n_columns / spec.block_elements} * spec.block_bytes;
  if (args.n_rows < args.panel_rows) {
    std::memset(args.panel, 0, bytes_per_row * args.panel_rows);
  }
  for (uint32_t row = 0; row < args.n_rows; ++row) {
    // move_row only reads the row here.
    move_row<false>(spec, args, const_cast<std::byte*>(args.rows) + row * bytes_per_row, row);
  }
}

void extract_row(const ExtractArgs& args) {
  const PackArgs view{.dtype = args.dtype,
                      .panel_rows = args.panel_rows,
                      .n_columns = args.n_columns,
                      .panel = const_cast<std::byte*>(args.panel)};  // only read here
  move_row<true>(pack_spec(args.dtype), view, args.out, args.row);
}

}  // namespace quern
