#include "gguf/ggml_type.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/check.h"

namespace quern {
namespace {

// In the order of DType.
constexpr std::array<GgmlType, kDTypeCount> kWireTypes = {
    GgmlType::f32,     GgmlType::f16,    GgmlType::bf16,  GgmlType::f64,     GgmlType::i8,
    GgmlType::i16,     GgmlType::i32,    GgmlType::i64,   GgmlType::q4_0,    GgmlType::q4_1,
    GgmlType::q5_0,    GgmlType::q5_1,   GgmlType::q8_0,  GgmlType::q2_k,    GgmlType::q3_k,
    GgmlType::q4_k,    GgmlType::q5_k,   GgmlType::q6_k,  GgmlType::iq4_nl,  GgmlType::iq4_xs,
    GgmlType::mxfp4,   GgmlType::q8_1,   GgmlType::q8_k,  GgmlType::iq1_s,   GgmlType::iq1_m,
    GgmlType::iq2_xxs, GgmlType::iq2_xs, GgmlType::iq2_s, GgmlType::iq3_xxs, GgmlType::iq3_s,
    GgmlType::tq1_0,   GgmlType::tq2_0,  GgmlType::nvfp4,
};

// Numbers that the format once had; gguf.md lists them as removed.
constexpr std::array<std::pair<uint32_t, std::string_view>, 8> kRemoved = {{
    {4, "Q4_2"},
    {5, "Q4_3"},
    {31, "Q4_0_4_4"},
    {32, "Q4_0_4_8"},
    {33, "Q4_0_8_8"},
    {36, "IQ4_NL_4_4"},
    {37, "IQ4_NL_4_8"},
    {38, "IQ4_NL_8_8"},
}};

// gguf-py's LlamaFileType, without the prefix MOSTLY_.
constexpr std::array<std::pair<uint64_t, std::string_view>, 35> kFileTypes = {{
    {0, "F32"},      {1, "F16"},      {2, "Q4_0"},    {3, "Q4_1"},    {7, "Q8_0"},
    {8, "Q5_0"},     {9, "Q5_1"},     {10, "Q2_K"},   {11, "Q3_K_S"}, {12, "Q3_K_M"},
    {13, "Q3_K_L"},  {14, "Q4_K_S"},  {15, "Q4_K_M"}, {16, "Q5_K_S"}, {17, "Q5_K_M"},
    {18, "Q6_K"},    {19, "IQ2_XXS"}, {20, "IQ2_XS"}, {21, "Q2_K_S"}, {22, "IQ3_XS"},
    {23, "IQ3_XXS"}, {24, "IQ1_S"},   {25, "IQ4_NL"}, {26, "IQ3_S"},  {27, "IQ3_M"},
    {28, "IQ2_S"},   {29, "IQ2_M"},   {30, "IQ4_XS"}, {31, "IQ1_M"},  {32, "BF16"},
    {36, "TQ1_0"},   {37, "TQ2_0"},   {38, "MXFP4"},  {39, "NVFP4"},  {40, "Q1_0"},
}};

}  // namespace

GgmlType ggml_type_of(DType dtype) {
  const auto index = static_cast<size_t>(dtype);
  QUERN_CHECK(index < kWireTypes.size());
  return kWireTypes[index];
}

std::optional<DType> dtype_of(uint32_t ggml_type) {
  for (size_t i = 0; i < kWireTypes.size(); ++i) {
    if (static_cast<uint32_t>(kWireTypes[i]) == ggml_type) {
      return static_cast<DType>(i);
    }
  }
  return std::nullopt;
}

std::string describe_unknown_ggml_type(uint32_t ggml_type) {
  for (const auto& [number, type_name] : kRemoved) {
    if (number == ggml_type) {
      return fmt::format("type {} ({}, removed from the format)", number, type_name);
    }
  }
  return fmt::format("type {}", ggml_type);
}

std::optional<std::string_view> file_type_name(uint64_t file_type) {
  for (const auto& [number, type_name] : kFileTypes) {
    if (number == file_type) {
      return type_name;
    }
  }
  return std::nullopt;
}

}  // namespace quern
