#include "gguf/reader.h"

#include <gtest/gtest.h>

#include "gguf/ggml_type.h"
#include "gguf/validate.h"
#include "support/golden.h"
#include "support/raw_gguf.h"
#include "support/temp_dir.h"

namespace quern {
namespace {

using test::RawGguf;
using test::TempDir;
namespace wire = test::wire;

// Every type of value, arrays inside arrays, and two tensors.
RawGguf sample_file(uint32_t version = 3) {
  RawGguf file;
  file.header(2, 17, version)
      .text("general.architecture", "llama")
      .scalar<uint8_t>("u8", wire::kU8, 200)
      .scalar<int8_t>("i8", wire::kI8, -100)
      .scalar<uint16_t>("u16", wire::kU16, 60000)
      .scalar<int16_t>("i16", wire::kI16, -30000)
      .scalar<uint32_t>("u32", wire::kU32, 4000000000)
      .scalar<int32_t>("i32", wire::kI32, -2000000000)
      .scalar<uint64_t>("u64", wire::kU64, UINT64_MAX)
      .scalar<int64_t>("i64", wire::kI64, INT64_MIN)
      .scalar<float>("f32", wire::kF32, 0.5F)
      .scalar<double>("f64", wire::kF64, 0.1)
      .scalar<uint8_t>("yes", wire::kBool, 1)
      .array("numbers", wire::kI16, 3)
      .put<int16_t>(1)
      .put<int16_t>(-2)
      .put<int16_t>(3)
      .array("floats", wire::kF32, 2)
      .put(1.5F)
      .put(-2.5F)
      .array("strings", wire::kString, 2)
      .string("")
      .string("two")
      .array("none", wire::kArray, 0)
      .array("nested", wire::kArray, 2)
      .put(wire::kString)
      .put<uint64_t>(1)
      .string("deep")
      .put(wire::kArray)
      .put<uint64_t>(1)
      .put(wire::kBool)
      .put<uint64_t>(2)
      .raw(std::string_view("\x00\x01", 2));
  // 2 rows of 3 floats, then 1 row of 32 elements of Q8_0 (34 bytes).
  file.string("matrix").put<uint32_t>(2).put<uint64_t>(3).put<uint64_t>(2).put<uint32_t>(0);
  file.put<uint64_t>(0);
  file.string("row").put<uint32_t>(1).put<uint64_t>(32).put<uint32_t>(8).put<uint64_t>(32);
  return file;
}

TEST(Reader, ReadsEveryTypeOfValue) {
  const RawGguf file = sample_file().pad().zeros(66);
  const auto card = parse_model_card(file.bytes(), file.bytes().size());
  ASSERT_TRUE(card.has_value()) << card.error().to_string();
  EXPECT_EQ(card->version(), 3U);
  EXPECT_EQ(card->alignment(), 32U);
  EXPECT_EQ(card->architecture(), "llama");
  EXPECT_EQ(card->metadata().size(), 17U);
  EXPECT_EQ(card->u64("u8"), 200U);
  EXPECT_EQ(card->i64("i8"), -100);
  EXPECT_EQ(card->u64("u16"), 60000U);
  EXPECT_EQ(card->i64("i16"), -30000);
  EXPECT_EQ(card->u64("u32"), 4000000000U);
  EXPECT_EQ(card->i64("i32"), -2000000000);
  EXPECT_EQ(card->u64("u64"), UINT64_MAX);
  EXPECT_EQ(card->i64("i64"), INT64_MIN);
  EXPECT_EQ(card->f64("f32"), 0.5);
  EXPECT_EQ(card->f64("f64"), 0.1);
  EXPECT_EQ(card->boolean("yes"), true);
  EXPECT_EQ(card->i64s("numbers"), (std::vector<int64_t>{1, -2, 3}));
  EXPECT_EQ(card->f32s("floats"), (std::vector<float>{1.5F, -2.5F}));
  ASSERT_TRUE(card->strings("strings"));
  EXPECT_EQ((*card->strings("strings"))[0], "");
  EXPECT_EQ((*card->strings("strings"))[1], "two");
  EXPECT_EQ(card->find("none")->n_elements(), 0U);
  const MetaValue& nested = *card->find("nested");
  ASSERT_EQ(nested.n_elements(), 2U);
  EXPECT_EQ((*nested.as_arrays())[0].element(0).as_string(), "deep");
  EXPECT_EQ((*nested.as_arrays())[1].element(0).as_i64s(), (std::vector<int64_t>{0, 1}));
}

TEST(Reader, ValuesOfAnotherTypeOrThatDoNotFitAreAbsent) {
  const RawGguf file = sample_file().pad().zeros(66);
  const auto card = parse_model_card(file.bytes(), file.bytes().size());
  ASSERT_TRUE(card.has_value());
  EXPECT_EQ(card->u64("i8"), std::nullopt);
  EXPECT_EQ(card->i64("u64"), std::nullopt);
  EXPECT_EQ(card->u64("f32"), std::nullopt);
  EXPECT_EQ(card->u64("yes"), std::nullopt);
  EXPECT_EQ(card->string("u8"), std::nullopt);
  EXPECT_EQ(card->boolean("u8"), std::nullopt);
  EXPECT_EQ(card->f64("strings"), std::nullopt);
  EXPECT_EQ(card->f32s("numbers"), std::nullopt);
  EXPECT_EQ(card->i64s("floats"), std::nullopt);
  EXPECT_EQ(card->strings("numbers"), std::nullopt);
  EXPECT_EQ(card->bytes("numbers"), std::nullopt);
  EXPECT_EQ(card->u64("no such key"), std::nullopt);
  EXPECT_EQ(card->find_arch("block_count"), nullptr);
}

TEST(Reader, TensorsHaveRowMajorShapesAndAbsoluteOffsets) {
  const RawGguf header = sample_file().pad();
  const uint64_t data_offset = header.bytes().size();
  const RawGguf file = sample_file().pad().zeros(66);
  const auto card = parse_model_card(file.bytes(), file.bytes().size());
  ASSERT_TRUE(card.has_value());
  ASSERT_EQ(card->tensors().size(), 2U);
  const TensorInfo* matrix = card->find_tensor("matrix");
  ASSERT_NE(matrix, nullptr);
  EXPECT_EQ(matrix->shape, (Shape{2, 3}));
  EXPECT_EQ(matrix->dtype, DType::f32);
  EXPECT_EQ(matrix->n_bytes, 24U);
  EXPECT_EQ(matrix->file_offset, data_offset);
  const TensorInfo* row = card->find_tensor("row");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->n_bytes, 34U);
  EXPECT_EQ(row->file_offset, data_offset + 32);
  EXPECT_EQ(card->find_tensor("nothing"), nullptr);
  EXPECT_EQ(card->n_parameters(), 38U);
  EXPECT_EQ(card->tensor_bytes(), 58U);
}

TEST(Reader, TheCardOutlivesTheBytesItWasReadFrom) {
  auto file = std::make_unique<RawGguf>(sample_file().pad().zeros(66));
  auto parsed = parse_model_card(file->bytes(), file->bytes().size());
  ASSERT_TRUE(parsed.has_value());
  file.reset();
  const ModelCard card = std::move(*parsed);
  EXPECT_EQ((*card.strings("strings"))[1], "two");
  EXPECT_EQ(card.find("nested")->element(0).element(0).as_string(), "deep");
  EXPECT_EQ(card.tensors()[1].name, "row");
}

TEST(Reader, TheBeginningOfAFileIsEnoughWhenItHoldsTheHeader) {
  const RawGguf file = sample_file().pad();
  EXPECT_TRUE(parse_model_card(file.bytes(), file.bytes().size() + 66).has_value());
  EXPECT_FALSE(parse_model_card(file.bytes(), file.bytes().size() + 65).has_value());
}

TEST(Reader, Version2IsReadLikeVersion3) {
  const RawGguf file = sample_file(2).pad().zeros(66);
  const auto card = parse_model_card(file.bytes(), file.bytes().size());
  ASSERT_TRUE(card.has_value());
  EXPECT_EQ(card->version(), 2U);
  EXPECT_EQ(card->u64("u16"), 60000U);
}

TEST(Reader, AFileCutAtAnyByteIsRefused) {
  const RawGguf file = sample_file().pad().zeros(66);
  for (size_t n = 0; n < file.bytes().size(); ++n) {
    const std::string cut = file.text().substr(0, n);  // its own allocation, so that asan sees it
    const ByteSpan bytes(reinterpret_cast<const std::byte*>(cut.data()), n);
    const auto card = parse_model_card(bytes, n);
    ASSERT_FALSE(card.has_value()) << n;
    EXPECT_EQ(card.error().to_string().find('\n'), std::string::npos);
  }
}

TEST(Reader, AFlippedByteAnywhereNeverCrashes) {
  const RawGguf file = sample_file().pad().zeros(66);
  for (size_t i = 0; i < file.bytes().size(); ++i) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string changed = file.text();
      changed[i] = static_cast<char>(changed[i] ^ flip);
      const ByteSpan bytes(reinterpret_cast<const std::byte*>(changed.data()), changed.size());
      const auto card = parse_model_card(bytes, changed.size());
      if (card) {
        (void)validate_card(*card);
      }
    }
  }
}

TEST(Reader, ErrorsOfFilesNameTheFileWithItsFolder) {
  const TempDir dir;
  const auto path = dir.write("tiny.gguf", "GGUF");
  const auto card = read_model_card(path);
  ASSERT_FALSE(card.has_value());
  EXPECT_EQ(card.error().to_string(),
            "[gguf] '" + path.string() +
                "': the file ends in its version, at byte 4; expected a complete file");
  const auto none = read_model_card(dir.path() / "none.gguf");
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().kind, ErrorKind::not_found);
  EXPECT_EQ(none.error().file, (dir.path() / "none.gguf").string());
}

// Published ids of special tokens that say "none": UINT32_MAX, as the stories260K file has it.
TEST(Reader, AnIdOfNoTokenIsNotOutOfRange) {
  const RawGguf file =
      RawGguf()
          .header(0, 3)
          .text("general.architecture", "llama")
          .array("tokenizer.ggml.tokens", wire::kString, 1)
          .string("a")
          .scalar<uint32_t>("tokenizer.ggml.padding_token_id", wire::kU32, UINT32_MAX);
  const auto card = parse_model_card(file.bytes(), file.bytes().size());
  ASSERT_TRUE(card.has_value());
  EXPECT_TRUE(validate_card(*card).has_value());
}

// Facts as gguf-py's GGUFReader (PyPI gguf) reads them from the same files.
struct GoldenFact {
  std::string_view file;
  std::string_view architecture;
  size_t n_tensors;
  uint64_t n_parameters;
  uint64_t n_tensor_bytes;
  uint64_t first_offset;
};

TEST(Reader, AgreesWithGgufPyOnRealModels) {
  constexpr std::array kFacts = {
      GoldenFact{"arch/llama3-rope.gguf", "llama", 30, 508816, 1019456, 13408},
      GoldenFact{"arch/mixtral.gguf", "llama", 33, 1460608, 2926080, 13728},
      GoldenFact{"arch/deepseek2.gguf", "deepseek2", 50, 877728, 1761920, 15456},
      GoldenFact{"arch/gpt-oss.gguf", "gpt-oss", 79, 1919664, 3877568, 16800},
      GoldenFact{"stories260k/stories260K.gguf", "llama", 48, 292800, 1171200, 14176},
  };
  QUERN_NEED_GOLDEN(test::golden_dir() / "arch");
  for (const GoldenFact& fact : kFacts) {
    const auto card = read_model_card(test::golden_dir() / fact.file);
    ASSERT_TRUE(card.has_value()) << card.error().to_string();
    EXPECT_EQ(card->architecture(), fact.architecture);
    EXPECT_EQ(card->tensors().size(), fact.n_tensors);
    EXPECT_EQ(card->n_parameters(), fact.n_parameters);
    EXPECT_EQ(card->tensor_bytes(), fact.n_tensor_bytes);
    EXPECT_EQ(card->tensors()[0].file_offset, fact.first_offset);
    EXPECT_EQ(card->files().size(), 1U);
  }
}

TEST(Reader, EveryGoldenFileIsAccepted) {
  QUERN_NEED_GOLDEN(test::golden_dir() / "vocab");
  for (const char* folder : {"arch", "vocab", "stories260k"}) {
    for (const auto& entry : std::filesystem::directory_iterator(test::golden_dir() / folder)) {
      if (entry.path().extension() == ".gguf") {
        const auto card = read_model_card(entry.path());
        EXPECT_TRUE(card.has_value()) << card.error().to_string();
      }
    }
  }
}

// Sizes, first and last entries as gguf-py reads them.
TEST(Reader, ReadsALargeVocabulary) {
  const auto path = test::golden_dir() / "vocab/llama-bpe.gguf";
  QUERN_NEED_GOLDEN(path);
  const auto card = read_model_card(path);
  ASSERT_TRUE(card.has_value()) << card.error().to_string();
  ASSERT_EQ(card->strings("tokenizer.ggml.tokens")->size(), 128256U);
  EXPECT_EQ((*card->strings("tokenizer.ggml.tokens"))[2], "#");
  EXPECT_EQ(card->strings("tokenizer.ggml.merges")->size(), 280147U);
  EXPECT_EQ((*card->strings("tokenizer.ggml.merges"))[0], "\xc4\xa0 \xc4\xa0");
  EXPECT_EQ(card->i64s("tokenizer.ggml.token_type")->size(), 128256U);
  EXPECT_EQ(card->u64("tokenizer.ggml.bos_token_id"), 128000U);
  EXPECT_EQ(card->find_arch("attention.head_count_kv")->as_u64(), 8U);
}

TEST(GgmlType, NumbersAreThoseOfGgufPy) {
  // GGMLQuantizationType of PyPI's gguf.
  EXPECT_EQ(dtype_of(2), DType::q4_0);
  EXPECT_EQ(dtype_of(14), DType::q6_k);
  EXPECT_EQ(dtype_of(20), DType::iq4_nl);
  EXPECT_EQ(dtype_of(23), DType::iq4_xs);
  EXPECT_EQ(dtype_of(30), DType::bf16);
  EXPECT_EQ(dtype_of(39), DType::mxfp4);
  EXPECT_EQ(dtype_of(4), std::nullopt);
  EXPECT_EQ(dtype_of(UINT32_MAX), std::nullopt);
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(dtype_of(static_cast<uint32_t>(ggml_type_of(dtype))), dtype);
  }
  // LlamaFileType of the same.
  EXPECT_EQ(file_type_name(15), "Q4_K_M");
  EXPECT_EQ(file_type_name(4), std::nullopt);
}

}  // namespace
}  // namespace quern
