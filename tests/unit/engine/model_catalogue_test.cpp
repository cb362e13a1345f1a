// The names that requests may use.
#include "engine/model_catalogue.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace quern {
namespace {

constexpr int64_t kSecondUs = 1'000'000;

class ModelCatalogueTest : public testing::Test {
 protected:
  HostPaths host() const {
    HostPaths host;
    host.model_store = dir_.path() / "store";
    host.ollama_models = dir_.path() / "ollama";
    host.system_ollama.clear();
    return host;
  }

  void write_ollama(const std::string& name, char digit) {
    const std::string digest(64, digit);
    dir_.write("ollama/manifests/registry.ollama.ai/library/" + name,
               R"({"layers":[{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:)" +
                   digest + R"("}]})");
    dir_.write("ollama/blobs/sha256-" + digest, "GGUF");
  }

  static std::string names(const ModelCatalogue& catalogue) {
    std::string result;
    for (const FoundModel& model : catalogue.list()) {
      result += model.name + " ";
    }
    return result;
  }

  test::TempDir dir_;
};

TEST_F(ModelCatalogueTest, KnowsNothingUntilItLooks) {
  dir_.write("store/smol.gguf", "x");
  ModelCatalogue catalogue(host());
  EXPECT_FALSE(catalogue.find("smol"));
  EXPECT_FALSE(catalogue.is_fresh(0));
  catalogue.refresh(0);
  EXPECT_EQ(catalogue.find("smol").value().found.path, dir_.path() / "store/smol.gguf");
}

TEST_F(ModelCatalogueTest, LooksAtTheDiskAtMostOnceASecond) {
  ModelCatalogue catalogue(host());
  catalogue.refresh(0);
  dir_.write("store/new.gguf", "x");
  catalogue.refresh(kSecondUs - 1);
  EXPECT_FALSE(catalogue.find("new"));
  catalogue.refresh(kSecondUs);
  EXPECT_TRUE(catalogue.find("new"));
}

TEST_F(ModelCatalogueTest, NamesInAnyCaseAndWithOrWithoutLatest) {
  dir_.write("store/SmolLM2.gguf", "x");
  write_ollama("llama3/latest", 'a');
  ModelCatalogue catalogue(host());
  catalogue.refresh(0);
  EXPECT_EQ(catalogue.find("smollm2").value().found.name, "SmolLM2");
  EXPECT_EQ(catalogue.find("SmolLM2:latest").value().found.name, "SmolLM2");
  EXPECT_EQ(catalogue.find("Llama3").value().found.name, "llama3:latest");
  EXPECT_FALSE(catalogue.find("llama3:8b"));
  EXPECT_FALSE(catalogue.find(":latest"));
  EXPECT_FALSE(catalogue.find(""));
}

TEST_F(ModelCatalogueTest, TwoNamesOfOneFileAreTwoNamesOfOneFile) {
  write_ollama("llama3/latest", 'a');
  write_ollama("copy/latest", 'a');
  ModelCatalogue catalogue(host());
  catalogue.refresh(0);
  EXPECT_EQ(names(catalogue), "copy:latest llama3:latest ");
  EXPECT_EQ(catalogue.find("copy").value().file, catalogue.find("llama3").value().file);
}

TEST_F(ModelCatalogueTest, APathIsNoName) {
  const auto outside = dir_.write("outside/secret.gguf", "x");
  dir_.write("store/smol.gguf", "x");
  ModelCatalogue catalogue(host());
  catalogue.refresh(0);
  EXPECT_FALSE(catalogue.find(outside.string()));
  EXPECT_FALSE(catalogue.find("../outside/secret"));
  EXPECT_FALSE(catalogue.find("../outside/secret.gguf"));
  EXPECT_FALSE(catalogue.find((dir_.path() / "store/smol.gguf").string()));
}

TEST_F(ModelCatalogueTest, AnAddedFileHasTheNameOfItsFile) {
  ModelCatalogue catalogue(host());
  EXPECT_EQ(catalogue.add_file(dir_.write("mine/big-00001-of-00002.gguf", "x")).value(), "big");
  EXPECT_EQ(catalogue.add_file(dir_.write("other/big.gguf", "x")).value(), "big-2");
  EXPECT_EQ(catalogue.add_file(dir_.path() / "other/big.gguf").value(), "big-2");
  EXPECT_EQ(names(catalogue), "big big-2 ");
}

TEST_F(ModelCatalogueTest, AnAddedFileOfTheStoreKeepsItsNameThere) {
  const auto path = dir_.write("store/sub/smol.gguf", "x");
  ModelCatalogue catalogue(host());
  EXPECT_EQ(catalogue.add_file(path).value(), "sub/smol");
  catalogue.refresh(0);
  EXPECT_EQ(names(catalogue), "sub/smol ");
}

TEST_F(ModelCatalogueTest, AFileOfTheStoreGivesItsNameToAnAddedOne) {
  dir_.write("store/smol.gguf", "x");
  ModelCatalogue catalogue(host());
  catalogue.refresh(0);
  const auto mine = dir_.write("mine/smol.gguf", "y");
  EXPECT_EQ(catalogue.add_file(mine).value(), "smol");
  catalogue.refresh(0);  // adding made the last look stale
  EXPECT_EQ(names(catalogue), "smol smol@store ");
  EXPECT_EQ(catalogue.find("smol").value().found.path, mine);
}

TEST_F(ModelCatalogueTest, OnlyFilesAreAdded) {
  ModelCatalogue catalogue(host());
  EXPECT_EQ(catalogue.add_file(dir_.path() / "none.gguf").error().kind, ErrorKind::not_found);
  EXPECT_EQ(catalogue.add_file(dir_.path()).error().kind, ErrorKind::invalid_input);
}

TEST_F(ModelCatalogueTest, AnUnknownNameIsToldWithTheNearestOnes) {
  dir_.write("store/SmolLM2.gguf", "x");
  ModelCatalogue catalogue(host());
  catalogue.refresh(0);
  EXPECT_EQ(catalogue.unknown("smolm2").to_string(),
            "[model] no model 'smolm2'; expected 'SmolLM2', or another model that is listed");
  EXPECT_EQ(catalogue.unknown("xyz").to_string(),
            "[model] no model 'xyz'; expected the name of a model that is listed");
}

TEST_F(ModelCatalogueTest, AModelGivenByItsNameIsTheDefaultToo) {
  const auto path = dir_.write("store/a.gguf", "x");
  dir_.write("store/B.gguf", "x");
  ModelCatalogue catalogue(host());
  catalogue.refresh(0);
  EXPECT_EQ(catalogue.add_name("c").error().kind, ErrorKind::not_found);
  EXPECT_EQ(catalogue.default_name(), "");
  EXPECT_EQ(catalogue.add_name("b:latest").value(), "B");
  EXPECT_EQ(catalogue.default_name(), "B");
  EXPECT_EQ(catalogue.add_name("B").value(), "B");
  EXPECT_EQ(catalogue.default_name(), "B");
  ASSERT_TRUE(catalogue.add_file(path));
  EXPECT_EQ(catalogue.default_name(), "");
}

TEST_F(ModelCatalogueTest, AModelGivenByItsNameKeepsIt) {
  const auto listed = dir_.write("store/a.gguf", "x");
  dir_.write("store/b.gguf", "x");
  ModelCatalogue catalogue(host());
  catalogue.refresh(0);
  EXPECT_EQ(catalogue.add_name("a").value(), "a");
  EXPECT_EQ(names(catalogue), "a b ");
  EXPECT_EQ(catalogue.add_file(dir_.write("mine/a.gguf", "y")).value(), "a-2");
  EXPECT_EQ(catalogue.add_file(listed).value(), "a");
  catalogue.refresh(kSecondUs);
  EXPECT_EQ(names(catalogue), "a a-2 b ");
  EXPECT_EQ(catalogue.find("a").value().found.path, listed);
}

TEST_F(ModelCatalogueTest, OneOfSeveralNamesOfAFileIsGivenByItself) {
  write_ollama("llama3/latest", 'a');
  write_ollama("copy/latest", 'a');
  ModelCatalogue catalogue(host());
  catalogue.refresh(0);
  EXPECT_EQ(catalogue.add_name("llama3").value(), "llama3:latest");
  EXPECT_EQ(catalogue.default_name(), "llama3:latest");
  EXPECT_EQ(names(catalogue), "llama3:latest copy:latest ");
  catalogue.refresh(kSecondUs);
  EXPECT_EQ(names(catalogue), "llama3:latest copy:latest ");
  EXPECT_EQ(catalogue.find("copy").value().file, catalogue.find("llama3").value().file);
}

TEST_F(ModelCatalogueTest, AnAddedFileHasANameThatJsonCarries) {
  ModelCatalogue catalogue(host());
  EXPECT_EQ(catalogue.add_file(dir_.write("mine/caf\xe9.gguf", "x")).value(), "caf\uFFFD");
  EXPECT_TRUE(catalogue.find("caf\uFFFD"));
}

TEST_F(ModelCatalogueTest, TheDefaultIsTheOneAddedOrTheOnlyOne) {
  ModelCatalogue catalogue(host());
  EXPECT_EQ(catalogue.default_name(), "");
  dir_.write("store/a.gguf", "x");
  catalogue.refresh(0);
  EXPECT_EQ(catalogue.default_name(), "a");
  dir_.write("store/b.gguf", "x");
  catalogue.refresh(kSecondUs);
  EXPECT_EQ(catalogue.default_name(), "");
  ASSERT_TRUE(catalogue.add_file(dir_.path() / "store/b.gguf"));
  EXPECT_EQ(catalogue.default_name(), "b");
  ASSERT_TRUE(catalogue.add_file(dir_.path() / "store/a.gguf"));
  EXPECT_EQ(catalogue.default_name(), "");
}

}  // namespace
}  // namespace quern
