#include "kernels/scalar/dequantise.h"

#include <bit>
#include <cstdint>

#include "base/bytes.h"
#include "base/check.h"
#include "tensor/blocks.h"
#include "tensor/half.h"

namespace quern {
namespace {

// The plain types as blocks of one, so that all types share one loop.
struct PlainF32 {
  static constexpr size_t kElements = 1;
  float value;
};
struct PlainF16 {
  static constexpr size_t kElements = 1;
  uint16_t bits;
};
struct PlainBf16 {
  static constexpr size_t kElements = 1;
  uint16_t bits;
};

// Field extraction; blocks.h describes the layouts.

// Nibbles in halves: byte j holds values j and j + 16.
int nibble_of_halves(const uint8_t* qs, size_t i) {
  return i < 16 ? qs[i] & 15 : qs[i - 16] >> 4;
}

// Nibbles in pairs: of each 64 values, byte l holds values l and l + 32.
int nibble_of_pairs(const uint8_t* qs, size_t i) {
  return (qs[32 * (i / 64) + i % 32] >> (4 * (i / 32 % 2))) & 15;
}

// Of each 128 values, byte l holds values l, l + 32, l + 64, l + 96.
int crumb(const uint8_t* qs, size_t i) {
  return (qs[32 * (i / 128) + i % 32] >> (2 * (i / 32 % 4))) & 3;
}

// One bit for each of 256 values: byte i % 32, bit i / 32.
int bit_plane(const uint8_t* bits, size_t i) {
  return (bits[i % 32] >> (i / 32)) & 1;
}

int bit_of(const uint8_t* bits, size_t i) {
  return (bits[i / 8] >> (i % 8)) & 1;
}

// Scale s and offset z of sub-block k in the 12 bytes that Q4_K and Q5_K share.
struct ScaleAndOffset {
  int s;
  int z;
};
ScaleAndOffset k_scale(const uint8_t* packed, size_t k) {
  if (k < 4) {
    return {packed[k] & 63, packed[k + 4] & 63};
  }
  return {(packed[k + 4] & 15) | (packed[k - 4] >> 6 << 4),
          (packed[k + 4] >> 4) | (packed[k] >> 6 << 4)};
}

float scaled(uint16_t d, int factor) {
  return f16_to_f32(d) * static_cast<float>(factor);
}

// Value i of a block.

float decode(const PlainF32& b, size_t /*i*/) {
  return b.value;
}

float decode(const PlainF16& b, size_t /*i*/) {
  return f16_to_f32(b.bits);
}

float decode(const PlainBf16& b, size_t /*i*/) {
  return bf16_to_f32(b.bits);
}

float decode(const BlockQ40& b, size_t i) {
  return scaled(b.d, nibble_of_halves(b.qs, i) - 8);
}

float decode(const BlockQ41& b, size_t i) {
  return scaled(b.d, nibble_of_halves(b.qs, i)) + f16_to_f32(b.m);
}

float decode(const BlockQ50& b, size_t i) {
  return scaled(b.d, (nibble_of_halves(b.qs, i) | bit_of(b.qh, i) << 4) - 16);
}

float decode(const BlockQ51& b, size_t i) {
  return scaled(b.d, nibble_of_halves(b.qs, i) | bit_of(b.qh, i) << 4) + f16_to_f32(b.m);
}

float decode(const BlockQ80& b, size_t i) {
  return scaled(b.d, b.qs[i]);
}

float decode(const BlockIq4Nl& b, size_t i) {
  return scaled(b.d, kIq4Codebook[nibble_of_halves(b.qs, i)]);
}

float decode(const BlockMxfp4& b, size_t i) {
  // 2^(e - 128): the smallest two are subnormal.
  const float scale =
      b.e < 2 ? std::bit_cast<float>(0x200000U << b.e) : std::bit_cast<float>((b.e - 1U) << 23);
  return scale * static_cast<float>(kMxfp4Codebook[nibble_of_halves(b.qs, i)]);
}

float decode(const BlockQ2K& b, size_t i) {
  const int s = b.scales[i / 16] & 15;
  const int z = b.scales[i / 16] >> 4;
  return scaled(b.d, s) * static_cast<float>(crumb(b.qs, i)) - scaled(b.dmin, z);
}

float decode(const BlockQ3K& b, size_t i) {
  const size_t k = i / 16;
  const int s =
      ((b.scales[k % 8] >> (4 * (k / 8))) & 15) | ((b.scales[8 + k % 4] >> (2 * (k / 4))) & 3) << 4;
  const int q = crumb(b.qs, i) | bit_plane(b.hmask, i) << 2;
  return scaled(b.d, s - 32) * static_cast<float>(q - 4);
}

float decode(const BlockQ4K& b, size_t i) {
  const auto [s, z] = k_scale(b.scales, i / 32);
  return scaled(b.d, s) * static_cast<float>(nibble_of_pairs(b.qs, i)) - scaled(b.dmin, z);
}

float decode(const BlockQ5K& b, size_t i) {
  const auto [s, z] = k_scale(b.scales, i / 32);
  const int q = nibble_of_pairs(b.qs, i) | bit_plane(b.qh, i) << 4;
  return scaled(b.d, s) * static_cast<float>(q) - scaled(b.dmin, z);
}

float decode(const BlockQ6K& b, size_t i) {
  const int low = (b.ql[64 * (i / 128) + i % 64] >> (4 * (i / 64 % 2))) & 15;
  const int q = (low | crumb(b.qh, i) << 4) - 32;
  return scaled(b.d, b.scales[i / 16]) * static_cast<float>(q);
}

float decode(const BlockIq4Xs& b, size_t i) {
  const size_t k = i / 32;
  const int s = ((b.scales_l[k / 2] >> (4 * (k % 2))) & 15) | ((b.scales_h >> (2 * k)) & 3) << 4;
  const int q = nibble_of_halves(b.qs + 16 * k, i % 32);
  return scaled(b.d, s - 32) * static_cast<float>(kIq4Codebook[q]);
}

template <typename Block>
void decode_row(const std::byte* blocks, float* out, size_t n_elements) {
  QUERN_CHECK(n_elements % Block::kElements == 0);
  for (size_t start = 0; start < n_elements; start += Block::kElements) {
    const auto block = load_le<Block>(blocks + start / Block::kElements * sizeof(Block));
    for (size_t i = 0; i < Block::kElements; ++i) {
      out[start + i] = decode(block, i);
    }
  }
}

using RowDecoder = void (*)(const std::byte* blocks, float* out, size_t n_elements);

RowDecoder row_decoder(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return decode_row<PlainF32>;
    case DType::f16:
      return decode_row<PlainF16>;
    case DType::bf16:
      return decode_row<PlainBf16>;
    case DType::q4_0:
      return decode_row<BlockQ40>;
    case DType::q4_1:
      return decode_row<BlockQ41>;
    case DType::q5_0:
      return decode_row<BlockQ50>;
    case DType::q5_1:
      return decode_row<BlockQ51>;
    case DType::q8_0:
      return decode_row<BlockQ80>;
    case DType::q2_k:
      return decode_row<BlockQ2K>;
    case DType::q3_k:
      return decode_row<BlockQ3K>;
    case DType::q4_k:
      return decode_row<BlockQ4K>;
    case DType::q5_k:
      return decode_row<BlockQ5K>;
    case DType::q6_k:
      return decode_row<BlockQ6K>;
    case DType::iq4_nl:
      return decode_row<BlockIq4Nl>;
    case DType::iq4_xs:
      return decode_row<BlockIq4Xs>;
    case DType::mxfp4:
      return decode_row<BlockMxfp4>;
    default:
      return nullptr;
  }
}

}  // namespace

bool can_dequantise(DType dtype) {
  return row_decoder(dtype) != nullptr;
}

void dequantise_row(DType dtype, const std::byte* blocks, float* out, size_t n_elements) {
  const RowDecoder decoder = row_decoder(dtype);
  QUERN_CHECK(decoder != nullptr);
  decoder(blocks, out, n_elements);
}

}  // namespace quern
