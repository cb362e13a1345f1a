#include "kernels/quantise.h"

#include <cmath>
#include <cstdint>
#include <cstring>

#include <fmt/core.h>

#include "base/check.h"
#include "kernels/quantise_blocks.h"
#include "tensor/half.h"

namespace quern {
namespace {

template <typename Block>
void encode_row(const float* in, std::byte* out, size_t n_elements) {
  for (size_t start = 0; start < n_elements; start += Block::kElements) {
    Block block{};
    quantise_block(in + start, block);
    std::memcpy(out + start / Block::kElements * sizeof(Block), &block, sizeof(Block));
  }
}

template <uint16_t (*convert)(float)>
void encode_plain(const float* in, std::byte* out, size_t n_elements) {
  for (size_t i = 0; i < n_elements; ++i) {
    const uint16_t bits = convert(in[i]);
    std::memcpy(out + i * sizeof(bits), &bits, sizeof(bits));
  }
}

void copy_row(const float* in, std::byte* out, size_t n_elements) {
  std::memcpy(out, in, n_elements * sizeof(float));
}

using RowEncoder = void (*)(const float* in, std::byte* out, size_t n_elements);

RowEncoder row_encoder(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return copy_row;
    case DType::f16:
      return encode_plain<f32_to_f16>;
    case DType::bf16:
      return encode_plain<f32_to_bf16>;
    case DType::q4_0:
      return encode_row<BlockQ40>;
    case DType::q4_1:
      return encode_row<BlockQ41>;
    case DType::q5_0:
      return encode_row<BlockQ50>;
    case DType::q5_1:
      return encode_row<BlockQ51>;
    case DType::q8_0:
      return encode_row<BlockQ80>;
    case DType::q2_k:
      return encode_row<BlockQ2K>;
    case DType::q3_k:
      return encode_row<BlockQ3K>;
    case DType::q4_k:
      return encode_row<BlockQ4K>;
    case DType::q5_k:
      return encode_row<BlockQ5K>;
    case DType::q6_k:
      return encode_row<BlockQ6K>;
    case DType::iq4_nl:
      return encode_row<BlockIq4Nl>;
    case DType::iq4_xs:
      return encode_row<BlockIq4Xs>;
    case DType::mxfp4:
      return encode_row<BlockMxfp4>;
    default:
      return nullptr;
  }
}

// The largest magnitude that quantise_row accepts.
float largest_value(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return 0x1.fffffep127F;
    case DType::bf16:
      return 0x1.fep127F;
    case DType::mxfp4:
      return 0x1.fffffep127F;
    default:
      return kF16Max;
  }
}

}  // namespace

Status quantise_row(DType dtype, const float* in, std::byte* out, size_t n_elements) {
  QUERN_CHECK(n_elements % traits(dtype).block_elements == 0);
  const RowEncoder encoder = row_encoder(dtype);
  if (encoder == nullptr) {
    return fail({.kind = ErrorKind::unsupported,
                 .where = "quantise",
                 .what = fmt::format("no quantiser for type {}", name(dtype)),
                 .expected = "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, "
                             "Q5_K, Q6_K, IQ4_NL, IQ4_XS or MXFP4"});
  }
  const float limit = largest_value(dtype);
  for (size_t i = 0; i < n_elements; ++i) {
    if (!(std::abs(in[i]) <= limit)) {
      return fail(
          {.kind = ErrorKind::invalid_input,
           .where = "quantise",
           .what = fmt::format("element {} of the row is {}", i, in[i]),
           .expected = fmt::format("finite values within +-{} for {}", limit, name(dtype))});
    }
  }
  encoder(in, out, n_elements);
  return {};
}

}  // namespace quern
