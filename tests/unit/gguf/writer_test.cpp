#include "gguf/writer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <numeric>

#include "gguf/reader.h"
#include "support/golden.h"
#include "support/raw_gguf.h"
#include "support/temp_dir.h"

namespace quern {
namespace {
namespace fs = std::filesystem;

using test::RawGguf;
using test::TempDir;
namespace wire = test::wire;

std::string written(const GgufWriter& writer) {
  std::string out;
  const Status status = writer.write([&](ByteSpan bytes) -> Status {
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  });
  EXPECT_TRUE(status.has_value()) << status.error().to_string();
  return out;
}

ByteSpan as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// Reads a file's bytes and writes them again from what was read.
std::string rewritten(std::string_view file) {
  const auto card = parse_model_card(as_bytes(file), file.size());
  EXPECT_TRUE(card.has_value()) << card.error().to_string();
  if (!card) {
    return {};
  }
  GgufWriter writer(card->version());
  EXPECT_TRUE(writer.add_metadata(*card).has_value());
  for (const TensorInfo& tensor : card->tensors()) {
    const Status added = writer.add_tensor(
        {.name = std::string(tensor.name), .dtype = tensor.dtype, .shape = tensor.shape},
        as_bytes(file).subspan(tensor.file_offset, tensor.n_bytes));
    EXPECT_TRUE(added.has_value());
  }
  return written(writer);
}

RawGguf every_type(uint32_t version) {
  RawGguf file;
  file.header(2, 16, version)
      .text("general.architecture", "llama")
      .scalar<uint8_t>("u8", wire::kU8, 200)
      .scalar<int8_t>("i8", wire::kI8, -100)
      .scalar<uint16_t>("u16", wire::kU16, 60000)
      .scalar<int16_t>("i16", wire::kI16, -30000)
      .scalar<uint32_t>("general.alignment", wire::kU32, 64)
      .scalar<int32_t>("i32", wire::kI32, -2000000000)
      .scalar<uint64_t>("u64", wire::kU64, UINT64_MAX)
      .scalar<int64_t>("i64", wire::kI64, INT64_MIN)
      .scalar<float>("f32", wire::kF32, 0.5F)
      .scalar<double>("f64", wire::kF64, 0.1)
      .scalar<uint8_t>("no", wire::kBool, 0)
      .array("numbers", wire::kU64, 2)
      .put<uint64_t>(1)
      .put<uint64_t>(UINT64_MAX)
      .array("strings", wire::kString, 2)
      .string("")
      .string("two")
      .array("empty", wire::kF64, 0)
      .array("nested", wire::kArray, 2)
      .put(wire::kString)
      .put<uint64_t>(1)
      .string("deep")
      .put(wire::kArray)
      .put<uint64_t>(1)
      .put(wire::kBool)
      .put<uint64_t>(2)
      .raw(std::string_view("\x00\x01", 2));
  file.string("a").put<uint32_t>(2).put<uint64_t>(3).put<uint64_t>(2).put<uint32_t>(0);
  file.put<uint64_t>(0);
  file.string("b").put<uint32_t>(0).put<uint32_t>(24).put<uint64_t>(64);  // one i8, no dimension
  file.pad(64).raw("twenty-four bytes of a..").pad(64).raw("b").pad(64);
  return file;
}

TEST(Writer, ReadingAndWritingIsIdenticalForEveryTypeAndVersion) {
  for (const uint32_t version : {2U, 3U}) {
    const std::string file = every_type(version).text();
    const std::string once = rewritten(file);
    EXPECT_EQ(once, file);
    EXPECT_EQ(rewritten(once), once);
  }
}

TEST(Writer, ReproducesRealFilesByteForByte) {
  QUERN_NEED_GOLDEN(test::golden_dir() / "arch");
  for (const char* name :
       {"arch/llama.gguf", "arch/lfm2.gguf", "arch/mixtral.gguf", "vocab/llama-spm.gguf",
        "vocab/nomic-bert-moe.gguf", "stories260k/stories260K.gguf"}) {
    const std::string file = test::read_text(test::golden_dir() / name);
    EXPECT_TRUE(rewritten(file) == file) << name;
  }
}

TEST(Writer, StreamsATensorInPieces) {
  GgufWriter writer;
  ASSERT_TRUE(writer.add("general.architecture", MetaValue::string("llama")).has_value());
  const Status added = writer.add_tensor({.name = "t", .dtype = DType::i8, .shape = {3, 5}},
                                         [](const ByteSink& sink) -> Status {
                                           for (int row = 0; row < 3; ++row) {
                                             QUERN_TRY(sink(as_bytes("abcde")));
                                           }
                                           return {};
                                         });
  ASSERT_TRUE(added.has_value());
  const std::string file = written(writer);
  const auto card = parse_model_card(as_bytes(file), file.size());
  ASSERT_TRUE(card.has_value());
  EXPECT_EQ(card->tensors()[0].shape, (Shape{3, 5}));
  EXPECT_EQ(file.substr(card->tensors()[0].file_offset, 15), "abcdeabcdeabcde");
  EXPECT_EQ(file.size() % 32, 0U);
}

TEST(Writer, RefusesWhatNoReaderWouldTake) {
  GgufWriter writer;
  EXPECT_FALSE(writer.add("", MetaValue::u32(1)).has_value());
  EXPECT_FALSE(writer.add("general.alignment", MetaValue::u32(24)).has_value());
  ASSERT_TRUE(writer.add("k", MetaValue::u32(1)).has_value());
  EXPECT_FALSE(writer.add("k", MetaValue::u32(2)).has_value());
  EXPECT_FALSE(
      writer.add_tensor({.name = "", .dtype = DType::f32, .shape = {1}}, ByteSpan()).has_value());
  EXPECT_FALSE(writer.add_tensor({.name = "t", .dtype = DType::f32, .shape = {0}}, ByteSpan()));
  EXPECT_FALSE(writer.add_tensor({.name = "t", .dtype = DType::q4_k, .shape = {100}}, ByteSpan()));
  ASSERT_TRUE(writer.add_tensor({.name = "t", .dtype = DType::f32, .shape = {1}}, ByteSpan()));
  EXPECT_FALSE(writer.add_tensor({.name = "t", .dtype = DType::f32, .shape = {1}}, ByteSpan()));
}

TEST(Writer, AFileAppearsOnlyWhenItIsComplete) {
  const TempDir dir;
  GgufWriter writer;
  ASSERT_TRUE(writer.add("general.architecture", MetaValue::string("llama")).has_value());
  ASSERT_TRUE(
      writer.add_tensor({.name = "t", .dtype = DType::f32, .shape = {4}}, as_bytes("too short")));
  const Status status = writer.write_file(dir.path() / "m.gguf");
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().to_string(), "[gguf] tensor 't' gave 9 bytes; expected 16");
  EXPECT_TRUE(fs::is_empty(dir.path()));
  EXPECT_EQ(writer.write_file(dir.path() / "none" / "m.gguf").error().kind, ErrorKind::io);
}

TEST(Writer, WhatIsNoRegularFileStaysWhatItIs) {
  const TempDir dir;
  const fs::path pipe = dir.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  GgufWriter writer;
  ASSERT_TRUE(writer.add("general.architecture", MetaValue::string("llama")).has_value());
  const Status status = writer.write_file(pipe);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().to_string(), "[gguf] '" + pipe.string() +
                                            "' is no regular file; expected the name of a file to "
                                            "write");
  EXPECT_TRUE(fs::is_fifo(pipe));
}

class SplitSet : public ::testing::Test {
 protected:
  // Five tensors of 8 floats, each filled with its number, two to a file.
  void SetUp() override {
    for (size_t i = 0; i < data_.size(); ++i) {
      data_[i].assign(8, static_cast<float>(i));
      const std::string name = fmt::format("t{}", i);
      ASSERT_TRUE(writer_.add_tensor({.name = name, .dtype = DType::f32, .shape = {8}},
                                     std::as_bytes(std::span(data_[i]))));
    }
    ASSERT_TRUE(writer_.add("general.architecture", MetaValue::string("llama")).has_value());
    auto paths = writer_.write_split(dir_.path() / "m", 2);
    ASSERT_TRUE(paths.has_value()) << paths.error().to_string();
    paths_ = std::move(*paths);
  }

  std::string refusal(const fs::path& path) const {
    const auto card = read_model_card(path);
    EXPECT_FALSE(card.has_value());
    return card ? "" : card.error().to_string();
  }
  static std::string in_file(const fs::path& path) { return "[gguf] '" + path.string() + "': "; }

  TempDir dir_;
  GgufWriter writer_;
  std::array<std::vector<float>, 5> data_;
  std::vector<fs::path> paths_;
};

TEST_F(SplitSet, IsReadThroughItsFirstFile) {
  ASSERT_EQ(paths_.size(), 3U);
  EXPECT_EQ(paths_[0].filename(), "m-00001-of-00003.gguf");
  EXPECT_EQ(paths_[2].filename(), "m-00003-of-00003.gguf");
  const auto card = read_model_card(paths_[0]);
  ASSERT_TRUE(card.has_value()) << card.error().to_string();
  EXPECT_EQ(card->files(), paths_);
  ASSERT_EQ(card->tensors().size(), 5U);
  EXPECT_EQ(card->u64("split.count"), 3U);
  const TensorInfo* tensor = card->find_tensor("t3");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->file_index, 1U);
  const auto bytes = test::read_bytes(paths_[1]);
  EXPECT_EQ(load_le<float>(bytes.data() + tensor->file_offset), 3.0F);
}

TEST_F(SplitSet, AMissingPartIsNamed) {
  fs::remove(paths_[1]);
  EXPECT_EQ(refusal(paths_[0]), in_file(paths_[0]) +
                                    "part 2 of 3, 'm-00002-of-00003.gguf', is missing; "
                                    "expected all parts in one folder");
}

TEST_F(SplitSet, ALaterPartPointsToTheFirst) {
  EXPECT_EQ(refusal(paths_[1]), in_file(paths_[1]) +
                                    "part 2 of a split set; expected the path of its "
                                    "first part, 'm-00001-of-00003.gguf'");
}

TEST_F(SplitSet, ALaterPartWithoutTheFirstSaysThatItIsMissing) {
  fs::remove(paths_[0]);
  EXPECT_EQ(refusal(paths_[1]), in_file(paths_[1]) +
                                    "part 1 of 3, 'm-00001-of-00003.gguf', is missing; "
                                    "expected all parts in one folder");
}

TEST_F(SplitSet, APartIsNeverAWholeModel) {
  const auto refusal_with = [&](const std::string& name, const std::optional<MetaValue>& count) {
    GgufWriter part;
    EXPECT_TRUE(part.add("general.architecture", MetaValue::string("llama")).has_value());
    if (count) {
      EXPECT_TRUE(part.add("split.count", *count).has_value());
    }
    EXPECT_TRUE(part.write_file(dir_.path() / name).has_value());
    return refusal(dir_.path() / name);
  };
  EXPECT_EQ(refusal_with("n-00001-of-00002.gguf", std::nullopt),
            in_file(dir_.path() / "n-00001-of-00002.gguf") +
                "the name is that of part 1 of 2, but there is no "
                "split.count; expected split.count in each part, or another name");
  EXPECT_NE(refusal_with("n-00001-of-00002.gguf", MetaValue::u16(1)).find("split.count is 1, but"),
            std::string::npos);
  EXPECT_NE(refusal_with("n.gguf", MetaValue::u16(0)).find("split.count is 0 (u16)"),
            std::string::npos);
  EXPECT_NE(refusal_with("n.gguf", MetaValue::i32(-3)).find("split.count is -3 (i32)"),
            std::string::npos);
}

TEST_F(SplitSet, ASetOfOneNeedsNoKeys) {
  GgufWriter whole;
  ASSERT_TRUE(whole.add("general.architecture", MetaValue::string("llama")).has_value());
  ASSERT_TRUE(whole.write_file(dir_.path() / "n-00001-of-00001.gguf").has_value());
  EXPECT_TRUE(read_model_card(dir_.path() / "n-00001-of-00001.gguf").has_value());
}

TEST_F(SplitSet, ARenamedOrExchangedPartIsRefused) {
  const fs::path renamed = dir_.path() / "renamed.gguf";
  fs::copy_file(paths_[0], renamed);
  EXPECT_NE(refusal(renamed).find("a name that ends in -00001-of-00003.gguf"), std::string::npos);
  fs::copy_file(paths_[2], paths_[1], fs::copy_options::overwrite_existing);
  EXPECT_NE(refusal(paths_[0]).find("split.no or split.count"), std::string::npos);
}

TEST_F(SplitSet, AWrongNumberOfTensorsIsRefused) {
  GgufWriter other;
  ASSERT_TRUE(other.add("split.no", MetaValue::u16(2)).has_value());
  ASSERT_TRUE(other.add("split.count", MetaValue::u16(3)).has_value());
  ASSERT_TRUE(other.write_file(paths_[2]).has_value());
  EXPECT_NE(refusal(paths_[0]).find("the 3 parts hold 4 tensors"), std::string::npos);
}

TEST_F(SplitSet, ATensorInTwoPartsIsRefused) {
  GgufWriter other;
  ASSERT_TRUE(other.add("split.no", MetaValue::u16(2)).has_value());
  ASSERT_TRUE(other.add("split.count", MetaValue::u16(3)).has_value());
  ASSERT_TRUE(other.add_tensor({.name = "t0", .dtype = DType::f32, .shape = {8}},
                               std::as_bytes(std::span(data_[0]))));
  ASSERT_TRUE(other.write_file(paths_[2]).has_value());
  EXPECT_NE(refusal(paths_[0]).find("duplicate tensor 't0'"), std::string::npos);
}

TEST(SplitName, IsParsedAsWritten) {
  const auto name = parse_split_name("a-b-00002-of-00010.gguf");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->base, "a-b");
  EXPECT_EQ(name->i, 1U);
  EXPECT_EQ(name->n, 10U);
  EXPECT_EQ(split_file_name(name->base, name->i, name->n), "a-b-00002-of-00010.gguf");
  for (const char* other :
       {"a.gguf", "a-00000-of-00003.gguf", "a-00004-of-00003.gguf", "a-0000x-of-00003.gguf",
        "-00001-of-00003.gguf", "a-00001-of-00003.bin", "a-+0001-of-00003.gguf"}) {
    EXPECT_FALSE(parse_split_name(other).has_value()) << other;
  }
}

}  // namespace
}  // namespace quern
