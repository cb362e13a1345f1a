// Decoding of every block format against golden/quants, which llama.cpp wrote: random rows
// quantised by its own code, and the values that its own decoder gives back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "kernels/scalar/dequantise.h"
#include "support/golden.h"

namespace quern {
namespace {

using test::golden_dir;

// Formats that a file may hold but no kernel computes with yet.
const std::set<std::string> kListedOnly = {"IQ1_S",   "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S",
                                           "IQ3_XXS", "IQ3_S", "TQ1_0",   "TQ2_0",  "NVFP4"};

TEST(GoldenQuants, SupportedFormatsDecodeAsListed) {
  const auto dir = golden_dir() / "quants";
  QUERN_NEED_GOLDEN(dir / "index.json");
  const nlohmann::json index = test::read_json(dir / "index.json");
  const auto n_elements = index["rows"].get<size_t>() * index["cols"].get<size_t>();
  int n_decoded = 0;
  for (const auto& [type_name, entry] : index["types"].items()) {
    SCOPED_TRACE(type_name);
    const auto dtype = dtype_from_name(type_name);
    ASSERT_TRUE(dtype.has_value());
    EXPECT_EQ(can_dequantise(*dtype), !kListedOnly.contains(type_name));
    EXPECT_EQ(can_dequantise(*dtype), traits(*dtype).has_kernels);
    if (!can_dequantise(*dtype)) {
      continue;
    }
    const auto bytes = test::read_bytes(dir / entry["bytes"].get<std::string>());
    const auto want = test::read_f32(dir / entry["values"].get<std::string>());
    ASSERT_EQ(row_bytes(*dtype, n_elements), bytes.size());
    ASSERT_EQ(want.size(), n_elements);
    std::vector<float> got(n_elements);
    dequantise_row(*dtype, bytes.data(), got.data(), n_elements);
    for (size_t i = 0; i < n_elements; ++i) {
      ASSERT_LE(std::abs(got[i] - want[i]), 1e-6F * std::abs(want[i])) << "element " << i;
    }
    ++n_decoded;
  }
  EXPECT_EQ(n_decoded, 15);  // F16, BF16 and 13 block formats
}

}  // namespace
}  // namespace quern
