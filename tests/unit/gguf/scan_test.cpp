#include "gguf/scan.h"

#include <gtest/gtest.h>

#include "gguf/memory_estimate.h"
#include "gguf/reader.h"
#include "gguf/writer.h"
#include "support/golden.h"
#include "support/raw_gguf.h"
#include "support/temp_dir.h"

namespace quern {
namespace {
namespace fs = std::filesystem;

using test::RawGguf;
using test::TempDir;
namespace wire = test::wire;

std::string a_model(std::string_view architecture, std::string_view type = "model") {
  return RawGguf()
      .header(1, 2)
      .text("general.architecture", architecture)
      .text("general.type", type)
      .tensor("t", 8, 0)
      .pad()
      .zeros(32)
      .text();
}

std::vector<std::string> names(const std::vector<ModelEntry>& entries) {
  std::vector<std::string> result;
  for (const ModelEntry& entry : entries) {
    result.push_back(entry.name);
  }
  return result;
}

TEST(Scan, FindsFilesInFoldersAndSplitSetsAsOne) {
  const TempDir dir;
  dir.write("b.gguf", "x");
  dir.write("deep/er/A.GGUF", "x");
  dir.write("set-00002-of-00002.gguf", "x");
  dir.write("set-00001-of-00002.gguf", "x");
  dir.write("half-00003-of-00003.gguf", "x");
  dir.write("half-00002-of-00003.gguf", "x");
  dir.write("notes.txt", "x");
  dir.write("b.gguf.partial", "x");
  fs::create_directory(dir.path() / "folder.gguf");
  const auto entries = find_model_files(dir.path());
  EXPECT_EQ(names(entries), (std::vector<std::string>{"b", "deep/er/A", "half", "set"}));
  EXPECT_EQ(entries[2].path.filename(), "half-00002-of-00003.gguf");
  EXPECT_EQ(entries[3].path.filename(), "set-00001-of-00002.gguf");
}

TEST(Scan, LinksNeitherLoopNorLeadAwayNorRepeat) {
  const TempDir elsewhere;
  elsewhere.write("secret.gguf", "x");
  elsewhere.write("shared.gguf", "x");
  const TempDir dir;
  dir.write("sub/m.gguf", "x");
  fs::create_directory_symlink(dir.path(), dir.path() / "sub/loop");
  fs::create_directory_symlink(dir.path() / "sub", dir.path() / "again");
  fs::create_directory_symlink(elsewhere.path(), dir.path() / "away");
  fs::create_symlink(elsewhere.path() / "shared.gguf", dir.path() / "linked.gguf");
  fs::create_symlink(dir.path() / "sub/m.gguf", dir.path() / "a_second_name.gguf");
  fs::create_symlink(dir.path() / "nothing.gguf", dir.path() / "dangling.gguf");
  fs::create_symlink(dir.path() / "self.gguf", dir.path() / "self.gguf");
  // The two that lead nowhere are there for their error.
  EXPECT_EQ(names(find_model_files(dir.path())),
            (std::vector<std::string>{"dangling", "linked", "self", "sub/m"}));
  EXPECT_NE(summarise(dir.path() / "dangling.gguf").error.find("dangling.gguf"), std::string::npos);
}

TEST(Scan, ALinkedOrMissingRootIsFine) {
  const TempDir dir;
  dir.write("store/m.gguf", "x");
  fs::create_directory_symlink(dir.path() / "store", dir.path() / "link");
  EXPECT_EQ(names(find_model_files(dir.path() / "link")), (std::vector<std::string>{"m"}));
  EXPECT_TRUE(find_model_files(dir.path() / "none").empty());
  EXPECT_TRUE(find_model_files("").empty());
}

TEST(Summary, TellsKindsOfFilesApart) {
  const TempDir dir;
  EXPECT_EQ(summarise(dir.write("m.gguf", a_model("llama"))).kind, ModelFileKind::model);
  EXPECT_EQ(summarise(dir.write("p.gguf", a_model("clip"))).kind, ModelFileKind::projector);
  EXPECT_EQ(summarise(dir.write("q.gguf", a_model("new", "mmproj"))).kind,
            ModelFileKind::projector);
  EXPECT_EQ(summarise(dir.write("l.gguf", a_model("llama", "adapter"))).kind,
            ModelFileKind::adapter);
  const RawGguf words = RawGguf().header(0, 1).text("general.architecture", "bert");
  EXPECT_EQ(summarise(dir.write("v.gguf", words.text())).kind, ModelFileKind::vocabulary);
}

TEST(Summary, SaysWhatAFileIsOrWhyNot) {
  const TempDir dir;
  const ModelSummary good = summarise(dir.write("m.gguf", a_model("llama")));
  EXPECT_EQ(good.architecture, "llama");
  EXPECT_EQ(good.quantisation, "F32");
  EXPECT_EQ(good.n_parameters, 8U);
  EXPECT_EQ(good.n_bytes, a_model("llama").size());
  EXPECT_EQ(good.error, "");
  const ModelSummary bad = summarise(dir.write("bad.gguf", "GGUF?"));
  EXPECT_EQ(bad.n_bytes, 5U);
  EXPECT_TRUE(bad.error.starts_with("[gguf] 'bad.gguf': ")) << bad.error;
}

TEST(Summary, AddsUpTheFilesOfASplitSet) {
  const TempDir dir;
  GgufWriter writer;
  ASSERT_TRUE(writer.add("general.architecture", MetaValue::string("llama")));
  ASSERT_TRUE(writer.add("general.file_type", MetaValue::u32(15 + 1024)));
  const std::vector<float> data(64, 1.0F);
  for (const char* name : {"a", "b"}) {
    ASSERT_TRUE(writer.add_tensor({.name = name, .dtype = DType::f32, .shape = {64}},
                                  std::as_bytes(std::span(data))));
  }
  const auto paths = writer.write_split(dir.path() / "m", 1);
  ASSERT_TRUE(paths.has_value());
  const ModelSummary summary = summarise((*paths)[0]);
  EXPECT_EQ(summary.error, "");
  EXPECT_EQ(summary.n_bytes, fs::file_size((*paths)[0]) + fs::file_size((*paths)[1]));
  EXPECT_EQ(summary.n_parameters, 128U);
  EXPECT_EQ(summary.quantisation, "Q4_K_M");
}

// 3 layers x 2 key-value heads x (32 + 32) numbers x 2 bytes; sizes from golden/arch/llama3-rope,
// as gguf-py reads them.
TEST(MemoryEstimate, IsWeightsAndKeysAndValues) {
  const fs::path path = test::golden_dir() / "arch/llama3-rope.gguf";
  QUERN_NEED_GOLDEN(path);
  const auto card = read_model_card(path);
  ASSERT_TRUE(card.has_value());
  EXPECT_EQ(kv_bytes_per_token(*card), 768U);
  const MemoryEstimate whole = estimate_memory(*card);
  EXPECT_EQ(whole.n_ctx, 2048U);
  EXPECT_EQ(whole.weights_bytes, 1019456U);
  EXPECT_EQ(whole.kv_bytes, 768U * 2048U);
  EXPECT_EQ(estimate_memory(*card, 100).kv_bytes, 76800U);
}

// lfm2: heads_kv per layer [0, 2, 0, 2], head size 128 / 4.
TEST(MemoryEstimate, CountsHeadsPerLayer) {
  const fs::path path = test::golden_dir() / "arch/lfm2.gguf";
  QUERN_NEED_GOLDEN(path);
  const auto card = read_model_card(path);
  ASSERT_TRUE(card.has_value());
  EXPECT_EQ(kv_bytes_per_token(*card), 4U * 64U * 2U);
}

TEST(MemoryEstimate, IsZeroForACardThatDoesNotTell) {
  const RawGguf file = RawGguf().header(0, 1).text("general.architecture", "llama");
  const auto card = parse_model_card(file.bytes(), file.bytes().size());
  ASSERT_TRUE(card.has_value());
  EXPECT_EQ(estimate_memory(*card).kv_bytes, 0U);
}

}  // namespace
}  // namespace quern
