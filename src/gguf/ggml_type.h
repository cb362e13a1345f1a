// GgmlType: the number by which a file names a tensor's storage type, and its DType.
// Source: ggml's docs/gguf.md, "ggml_type", and gguf-py's GGMLQuantizationType.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tensor/dtype.h"

namespace quern {

enum class GgmlType : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q8_1 = 9,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  q8_k = 15,
  iq2_xxs = 16,
  iq2_xs = 17,
  iq3_xxs = 18,
  iq1_s = 19,
  iq4_nl = 20,
  iq3_s = 21,
  iq2_s = 22,
  iq4_xs = 23,
  i8 = 24,
  i16 = 25,
  i32 = 26,
  i64 = 27,
  f64 = 28,
  iq1_m = 29,
  bf16 = 30,
  tq1_0 = 34,
  tq2_0 = 35,
  mxfp4 = 39,
  nvfp4 = 40,
};

GgmlType ggml_type_of(DType dtype);
// nullopt for a number that names no type, or one that the format dropped or that is too new.
std::optional<DType> dtype_of(uint32_t ggml_type);
// What a number without a DType is: "type 31 (Q4_0_4_4, removed from the format)", "type 99".
std::string describe_unknown_ggml_type(uint32_t ggml_type);

// The usual name of a whole file's quantisation, from general.file_type: "Q4_K_M".
std::optional<std::string_view> file_type_name(uint64_t file_type);

}  // namespace quern
