// Every block format against golden/quants: rows quantised by llama.cpp v0.5.0, and their values by
// gguf-py's NumPy decoder.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "kernels/quantise.h"
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
    const DType dtype = dtype_from_name(type_name).value_or(DType::f64);
    ASSERT_EQ(name(dtype), type_name);
    EXPECT_EQ(can_dequantise(dtype), !kListedOnly.contains(type_name));
    EXPECT_EQ(can_dequantise(dtype), traits(dtype).has_kernels);
    if (!can_dequantise(dtype)) {
      continue;
    }
    const auto bytes = test::read_bytes(dir / entry["bytes"].get<std::string>());
    const auto want = test::read_f32(dir / entry["values"].get<std::string>());
    ASSERT_EQ(row_bytes(dtype, n_elements), bytes.size());
    ASSERT_EQ(want.size(), n_elements);
    std::vector<float> got(n_elements);
    dequantise_row(dtype, bytes.data(), got.data(), n_elements);
    for (size_t i = 0; i < n_elements; ++i) {
      ASSERT_LE(std::abs(got[i] - want[i]), 1e-6F * std::abs(want[i])) << "element " << i;
    }
    ++n_decoded;
  }
  EXPECT_EQ(n_decoded, 15);  // F16, BF16 and 13 block formats
}

double rms_error(const std::vector<float>& got, const std::vector<float>& want) {
  double sum = 0.0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double error = static_cast<double>(got[i]) - static_cast<double>(want[i]);
    sum += error * error;
  }
  return std::sqrt(sum / static_cast<double>(want.size()));
}

// The listed errors are those of llama.cpp's own quantisers on the same rows.
TEST(GoldenQuants, QuantisersComeCloseToTheListedErrors) {
  const auto dir = golden_dir() / "quants";
  QUERN_NEED_GOLDEN(dir / "index.json");
  const nlohmann::json index = test::read_json(dir / "index.json");
  const auto source = test::read_f32(dir / index["source"].get<std::string>());
  for (const auto& [type_name, entry] : index["types"].items()) {
    SCOPED_TRACE(type_name);
    const DType dtype = dtype_from_name(type_name).value_or(DType::f64);
    std::vector<std::byte> bytes(row_bytes(dtype, source.size()).value_or(0));
    const Status status = quantise_row(dtype, source.data(), bytes.data(), source.size());
    ASSERT_EQ(status.has_value(), can_dequantise(dtype));
    if (!status.has_value()) {
      EXPECT_EQ(status.error().kind, ErrorKind::unsupported);
      EXPECT_NE(status.error().what.find(type_name), std::string::npos);
      continue;
    }
    std::vector<float> decoded(source.size());
    dequantise_row(dtype, bytes.data(), decoded.data(), source.size());
    const double listed = entry["rms_error"].get<double>();
    const double ratio = rms_error(decoded, source) / listed;
    RecordProperty(type_name, std::to_string(ratio));
    EXPECT_LE(ratio, 1.05);
  }
}

}  // namespace
}  // namespace quern
