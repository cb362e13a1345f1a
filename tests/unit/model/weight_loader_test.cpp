// What a model's file holds against what its architecture expects.
#include "model/weight_loader.h"

#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "gguf/reader.h"
#include "gguf/writer.h"
#include "support/temp_dir.h"

namespace quern {
namespace {

class WeightLoaderTest : public testing::Test {
 protected:
  WeightLoaderTest() {
    EXPECT_TRUE(writer_.add("general.architecture", MetaValue::string("llama")).has_value());
  }

  void add(const char* name, DType dtype, const Shape& shape) {
    const uint64_t n_rows = shape.n_dims() == 1 ? 1 : shape[0];
    const uint64_t n_bytes = n_rows * *row_bytes(dtype, shape[shape.n_dims() - 1]);
    ASSERT_LE(n_bytes, sizeof kZeros);
    const ByteSpan bytes(reinterpret_cast<const std::byte*>(kZeros), n_bytes);
    const Status added = writer_.add_tensor({.name = name, .dtype = dtype, .shape = shape}, bytes);
    ASSERT_TRUE(added.has_value()) << added.error().to_string();
  }

  // Writes the file, and reads its header.
  void write() {
    ASSERT_TRUE(writer_.write_file(path()).has_value());
    auto card = read_model_card(path());
    ASSERT_TRUE(card.has_value()) << card.error().to_string();
    card_ = std::move(*card);
  }

  Result<WeightLoader> open() { return WeightLoader::open(card_, *backend_, {}); }
  std::filesystem::path path() const { return dir_.path() / "weights.gguf"; }

  template <typename T>
  static std::string error_of(const Result<T>& result) {
    return result ? "none" : result.error().to_string();
  }

  static constexpr char kZeros[4096] = {};
  test::TempDir dir_;
  GgufWriter writer_;
  ModelCard card_;
  std::unique_ptr<Backend> backend_ = *make_cpu_backend({.n_threads = 1});
};

TEST_F(WeightLoaderTest, NamesATensorThatIsMissingOrOfAnotherShape) {
  add("a.weight", DType::f32, {2, 32});
  write();
  auto loader = open();
  ASSERT_TRUE(loader.has_value());
  EXPECT_TRUE(loader->matrix("a.weight", 2, 32).has_value());
  EXPECT_EQ(error_of(loader->matrix("a.weight", 32, 2)),
            "[model] tensor 'a.weight': got [2, 32]; expected [32, 2]");
  EXPECT_EQ(error_of(loader->matrix("b.weight", 4, 8)),
            "[model] tensor 'b.weight' is missing; expected shape [4, 8]");
}

TEST_F(WeightLoaderTest, RefusesTypesWithoutKernels) {
  add("a.weight", DType::q8_1, {1, 32});
  write();
  auto loader = open();
  ASSERT_TRUE(loader.has_value());
  const auto matrix = loader->matrix("a.weight", 1, 32);
  ASSERT_FALSE(matrix.has_value());
  EXPECT_EQ(matrix.error().kind, ErrorKind::unsupported);
  EXPECT_EQ(matrix.error().what,
            "tensor 'a.weight' is stored as Q8_1, which this build cannot compute with");
}

TEST_F(WeightLoaderTest, VectorsArePlainNumbers) {
  add("plain", DType::f16, {32});
  add("quantised", DType::q8_0, {32});
  write();
  auto loader = open();
  ASSERT_TRUE(loader.has_value());
  EXPECT_EQ(loader->host_vector("plain", 32).value(), std::vector<float>(32));
  EXPECT_EQ(error_of(loader->vector("quantised", 32)),
            "[model] tensor 'quantised' is stored as Q8_0; expected F32, F16 or BF16");
  EXPECT_EQ(loader->optional_vector("none", 32).value(), nullptr);
}

TEST_F(WeightLoaderTest, ExpertsThatLieApartAreOfOneType) {
  add("ffn.0.weight", DType::f32, {2, 32});
  add("ffn.1.weight", DType::f16, {2, 32});
  write();
  auto loader = open();
  ASSERT_TRUE(loader.has_value());
  const auto experts = loader->experts("ffn", {2, 2, 32});
  ASSERT_FALSE(experts.has_value());
  EXPECT_EQ(experts.error().kind, ErrorKind::unsupported);
  EXPECT_EQ(error_of(experts),
            "[model] tensor 'ffn.1.weight' is stored as F16; expected F32 as its fellow experts");
}

TEST_F(WeightLoaderTest, WarnsOfTensorsThatNobodyAskedFor) {
  add("a.weight", DType::f32, {2, 32});
  add("b.weight", DType::f32, {2, 32});
  write();
  std::vector<std::string> lines;
  const Log log([&](LogLevel level, std::string_view line) {
    EXPECT_EQ(level, LogLevel::warning);
    lines.emplace_back(line);
  });
  auto loader = open();
  ASSERT_TRUE(loader.has_value());
  ASSERT_TRUE(loader->matrix("a.weight", 2, 32).has_value());
  loader->warn_about_unused(log);
  EXPECT_EQ(
      lines,
      (std::vector<std::string>{"[model] tensor 'b.weight' is not used by architecture 'llama'"}));
  ASSERT_TRUE(loader->matrix("b.weight", 2, 32).has_value());
  loader->warn_about_unused(log);
  EXPECT_EQ(lines.size(), 1U);
}

TEST_F(WeightLoaderTest, AFileThatShrankSinceItsHeaderWasReadIsRefused) {
  add("a.weight", DType::f32, {2, 32});
  write();
  std::filesystem::resize_file(path(), card_.tensors()[0].file_offset + 100);
  EXPECT_EQ(error_of(open()),
            "[model] tensor 'a.weight' ends beyond its file; expected a file that is whole");
}

}  // namespace
}  // namespace quern
