// DType: how the elements of a tensor are stored, plain or in quantised blocks.
// Source of the block formats: ggml's format notes and gguf-py's constants.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace quern {

enum class DType : uint8_t {
  f32,
  f16,
  bf16,
  f64,
  i8,
  i16,
  i32,
  i64,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
  mxfp4,
  // Known to the file layer, so that files are listed and refused by name; no kernels.
  q8_1,
  q8_k,
  iq1_s,
  iq1_m,
  iq2_xxs,
  iq2_xs,
  iq2_s,
  iq3_xxs,
  iq3_s,
  tq1_0,
  tq2_0,
  nvfp4,
};
inline constexpr int kDTypeCount = static_cast<int>(DType::nvfp4) + 1;

// How the keys and values of past tokens are stored.
enum class KvDType : uint8_t { f16, f32, q8_0 };

struct DTypeTraits {
  std::string_view name;    // as the field writes it: "Q4_K", "F16"
  uint32_t block_elements;  // elements a block holds; 1 for plain types
  uint32_t block_bytes;     // bytes a block takes
  bool quantised;
  bool has_kernels;  // weights of this type can be computed with
};

const DTypeTraits& traits(DType dtype);
inline std::string_view name(DType dtype) {
  return traits(dtype).name;
}

// The DType of a name as traits() spells it, in either case.
std::optional<DType> dtype_from_name(std::string_view text);

// Bytes of a row of `n_elements`; nullopt when they are not whole blocks, or on overflow.
std::optional<uint64_t> row_bytes(DType dtype, uint64_t n_elements);

}  // namespace quern
