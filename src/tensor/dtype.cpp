#include "tensor/dtype.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/check.h"
#include "base/checked.h"

namespace quern {
namespace {

// In the order of the enum.
constexpr std::array<DTypeTraits, kDTypeCount> kTraits = {{
    {"F32", 1, 4, false, true},        {"F16", 1, 2, false, true},
    {"BF16", 1, 2, false, true},       {"F64", 1, 8, false, false},
    {"I8", 1, 1, false, false},        {"I16", 1, 2, false, false},
    {"I32", 1, 4, false, false},       {"I64", 1, 8, false, false},
    {"Q4_0", 32, 18, true, true},      {"Q4_1", 32, 20, true, true},
    {"Q5_0", 32, 22, true, true},      {"Q5_1", 32, 24, true, true},
    {"Q8_0", 32, 34, true, true},      {"Q2_K", 256, 84, true, true},
    {"Q3_K", 256, 110, true, true},    {"Q4_K", 256, 144, true, true},
    {"Q5_K", 256, 176, true, true},    {"Q6_K", 256, 210, true, true},
    {"IQ4_NL", 32, 18, true, true},    {"IQ4_XS", 256, 136, true, true},
    {"MXFP4", 32, 17, true, true},     {"Q8_1", 32, 36, true, false},
    {"Q8_K", 256, 292, true, false},   {"IQ1_S", 256, 50, true, false},
    {"IQ1_M", 256, 56, true, false},   {"IQ2_XXS", 256, 66, true, false},
    {"IQ2_XS", 256, 74, true, false},  {"IQ2_S", 256, 82, true, false},
    {"IQ3_XXS", 256, 98, true, false}, {"IQ3_S", 256, 110, true, false},
    {"TQ1_0", 256, 54, true, false},   {"TQ2_0", 256, 66, true, false},
    {"NVFP4", 64, 36, true, false},
}};

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    return std::toupper(static_cast<unsigned char>(x)) ==
           std::toupper(static_cast<unsigned char>(y));
  });
}

}  // namespace

const DTypeTraits& traits(DType dtype) {
  const auto index = static_cast<size_t>(dtype);
  QUERN_CHECK(index < kTraits.size());
  return kTraits[index];
}

std::optional<DType> dtype_from_name(std::string_view text) {
  for (size_t i = 0; i < kTraits.size(); ++i) {
    if (equal_ignoring_case(kTraits[i].name, text)) {
      return static_cast<DType>(i);
    }
  }
  return std::nullopt;
}

std::optional<uint64_t> row_bytes(DType dtype, uint64_t n_elements) {
  const DTypeTraits& t = traits(dtype);
  if (n_elements % t.block_elements != 0) {
    return std::nullopt;
  }
  return checked_mul(n_elements / t.block_elements, t.block_bytes);
}

}  // namespace quern
