#include "engine/discovery.h"

#include <gtest/gtest.h>

#include "engine/nearest_names.h"
#include "support/temp_dir.h"

namespace quern {
namespace {
namespace fs = std::filesystem;

using test::TempDir;

class DiscoveryTest : public ::testing::Test {
 protected:
  HostPaths host() const {
    HostPaths paths;
    paths.home = dir_.path() / "home";
    paths.model_store = paths.home / ".quern/models";
    paths.system_ollama = dir_.path() / "system";
    return paths;
  }

  // A manifest as `ollama pull` leaves it, and its blob.
  fs::path write_ollama(const fs::path& root, const std::string& name, char digit) {
    const std::string digest(64, digit);
    dir_.write(root / "manifests" / name,
               R"({"schemaVersion":2,"config":{"digest":"sha256:00"},"layers":[)"
               R"({"mediaType":"application/vnd.ollama.image.license","digest":"sha256:11"},)"
               R"({"mediaType":"application/vnd.ollama.image.model","digest":"sha256:)" +
                   digest + R"("}]})");
    return dir_.write(root / "blobs" / ("sha256-" + digest), "GGUF");
  }

  static std::vector<std::string> names(const HostPaths& host) {
    std::vector<std::string> result;
    for (const FoundModel& model : list_models(host)) {
      result.push_back(model.name);
    }
    return result;
  }

  static std::string failure(std::string_view name, const HostPaths& host) {
    const auto path = resolve_model(name, host);
    EXPECT_FALSE(path.has_value());
    return path ? "" : path.error().to_string();
  }

  TempDir dir_;
};

TEST_F(DiscoveryTest, NothingAnywhereIsAnEmptyList) {
  EXPECT_TRUE(names(host()).empty());
  HostPaths nowhere;
  nowhere.system_ollama.clear();
  EXPECT_TRUE(names(nowhere).empty());
}

TEST_F(DiscoveryTest, FindsTheStoreAndFoldersByTheirNames) {
  dir_.write("home/.quern/models/SmolLM2.gguf", "x");
  dir_.write("mine/sub/other-00001-of-00002.gguf", "x");
  HostPaths paths = host();
  paths.folders.push_back(dir_.path() / "mine");
  EXPECT_EQ(names(paths), (std::vector<std::string>{"SmolLM2", "sub/other"}));
  EXPECT_EQ(resolve_model("SmolLM2", paths).value(),
            dir_.path() / "home/.quern/models/SmolLM2.gguf");
  EXPECT_EQ(resolve_model("smollm2", paths).value(),
            dir_.path() / "home/.quern/models/SmolLM2.gguf");
}

TEST_F(DiscoveryTest, FindsOllamaModelsByTheNamesThatOllamaShows) {
  const fs::path blob =
      write_ollama("home/.ollama/models", "registry.ollama.ai/library/llama3/8b", 'a');
  write_ollama("home/.ollama/models", "registry.ollama.ai/library/smol/latest", 'b');
  write_ollama("home/.ollama/models", "registry.ollama.ai/someone/tuned/v1", 'c');
  write_ollama("system", "hf.co/org/repo/Q4_K_M", 'd');
  EXPECT_EQ(names(host()), (std::vector<std::string>{"llama3:8b", "smol:latest", "someone/tuned:v1",
                                                     "hf.co/org/repo:Q4_K_M"}));
  EXPECT_EQ(resolve_model("llama3:8b", host()).value(), blob);
  EXPECT_TRUE(resolve_model("smol", host()).has_value());
  EXPECT_EQ(list_models(host())[0].source, ModelSource::ollama);
}

TEST_F(DiscoveryTest, OllamaModelsMayLieElsewhereAndShareABlob) {
  write_ollama("moved", "registry.ollama.ai/library/a/latest", 'a');
  write_ollama("moved", "registry.ollama.ai/library/b/latest", 'a');
  HostPaths paths = host();
  paths.ollama_models = dir_.path() / "moved";
  EXPECT_EQ(names(paths), (std::vector<std::string>{"a:latest", "b:latest"}));
}

TEST_F(DiscoveryTest, BrokenOllamaRecordsAreListedWithTheirError) {
  const fs::path space = "home/.ollama/models/manifests/registry.ollama.ai/library";
  dir_.write(space / "broken/latest", "{");
  dir_.write(space / "cloud/latest", R"({"layers":[]})");
  dir_.write(space / "escape/latest",
             R"({"layers":[{"mediaType":"application/vnd.ollama.image.model",)"
             R"("digest":"sha256:../../../../etc/passwd"}]})");
  const fs::path blob =
      write_ollama("home/.ollama/models", "registry.ollama.ai/library/gone/x", 'e');
  fs::remove(blob);
  const auto models = list_models(host());
  ASSERT_EQ(models.size(), 3U);
  EXPECT_NE(models[0].error.find("is broken"), std::string::npos) << models[0].error;
  EXPECT_NE(models[1].error.find("digest 'sha256:../"), std::string::npos) << models[1].error;
  EXPECT_NE(models[2].error.find("is missing"), std::string::npos) << models[2].error;
  EXPECT_TRUE(failure("gone:x", host()).starts_with("[model] 'gone:x': [ollama] blob"));
}

TEST_F(DiscoveryTest, FindsLmStudioModelsInBothOfItsFolders) {
  dir_.write("home/.lmstudio/models/pub/repo/new.gguf", "x");
  dir_.write("home/.cache/lm-studio/models/pub/repo/old.gguf", "x");
  EXPECT_EQ(names(host()), (std::vector<std::string>{"pub/repo/new", "pub/repo/old"}));
}

TEST_F(DiscoveryTest, FollowsTheLinksOfTheHuggingFaceHub) {
  const fs::path repo = "home/.cache/huggingface/hub/models--org--some-model";
  dir_.write(repo / "blobs/1111", "old");
  dir_.write(repo / "blobs/2222", "new");
  dir_.write(repo / "refs/main", "bbb\n");
  fs::create_directories(dir_.path() / repo / "snapshots/aaa");
  fs::create_directories(dir_.path() / repo / "snapshots/bbb");
  fs::create_symlink("../../blobs/1111", dir_.path() / repo / "snapshots/aaa/m-Q8_0.gguf");
  fs::create_symlink("../../blobs/2222", dir_.path() / repo / "snapshots/bbb/m-Q8_0.gguf");
  EXPECT_EQ(names(host()), (std::vector<std::string>{"org/some-model/m-Q8_0"}));
  EXPECT_EQ(resolve_model("org/some-model/m-Q8_0", host()).value(),
            dir_.path() / repo / "snapshots/bbb/m-Q8_0.gguf");
}

TEST_F(DiscoveryTest, TheHubMovesWithItsVariables) {
  dir_.write("a/hub/models--o--one/snapshots/r/m.gguf", "x");
  dir_.write("b/models--o--two/snapshots/r/m.gguf", "x");
  dir_.write("c/huggingface/hub/models--o--three/snapshots/r/m.gguf", "x");
  HostPaths paths = host();
  paths.xdg_cache_home = dir_.path() / "c";
  EXPECT_EQ(names(paths), (std::vector<std::string>{"o/three/m"}));
  paths.hf_home = dir_.path() / "a";
  EXPECT_EQ(names(paths), (std::vector<std::string>{"o/one/m"}));
  paths.hf_hub_cache = dir_.path() / "b";
  EXPECT_EQ(names(paths), (std::vector<std::string>{"o/two/m"}));
}

TEST_F(DiscoveryTest, FindsLlamaCppFilesInBothOfItsLayouts) {
  dir_.write("cache/org_repo_m.gguf", "x");
  dir_.write("cache/models--o--n/snapshots/r/m.gguf", "x");
  HostPaths paths = host();
  paths.llama_cache = dir_.path() / "cache";
  EXPECT_EQ(names(paths), (std::vector<std::string>{"o/n/m", "org_repo_m"}));
}

TEST_F(DiscoveryTest, NamesAreUniqueAndSharedFilesListedOnce) {
  dir_.write("home/.quern/models/m.gguf", "x");
  dir_.write("mine/m.gguf", "y");
  dir_.write("also/m.gguf", "z");
  fs::create_symlink(dir_.path() / "home/.quern/models/m.gguf", dir_.path() / "mine/link.gguf");
  HostPaths paths = host();
  paths.folders = {dir_.path() / "mine", dir_.path() / "also"};
  EXPECT_EQ(names(paths), (std::vector<std::string>{"m", "m@folder", "m@folder-2"}));
  EXPECT_EQ(resolve_model("m@folder-2", paths).value(), dir_.path() / "also/m.gguf");
}

// U+FFFD is one for each maximal subpart: Unicode 15, section 3.9.
TEST_F(DiscoveryTest, NamesAreUtf8WhateverTheFilesAreCalled) {
  const fs::path latin = dir_.write("home/.quern/models/caf\xe9.gguf", "x");
  dir_.write("home/.quern/models/caf\xe8.gguf", "y");
  dir_.write("home/.quern/models/th\u00e9.gguf", "z");
  EXPECT_EQ(names(host()), (std::vector<std::string>{"caf\uFFFD", "caf\uFFFD@store", "th\u00e9"}));
  EXPECT_EQ(resolve_model("caf\uFFFD@store", host()).value(), latin);
  EXPECT_TRUE(resolve_model("caf\xe8", host()).has_value());
}

TEST_F(DiscoveryTest, APathWinsOverNames) {
  const fs::path file = dir_.write("here.gguf", "x");
  EXPECT_EQ(resolve_model(file.string(), host()).value(), file);
}

TEST_F(DiscoveryTest, WhatIsThereButNoFileIsCalledByItsKind) {
  dir_.write("mine/m.gguf", "x");
  EXPECT_NE(failure((dir_.path() / "mine").string(), host()).find("is a folder"),
            std::string::npos);
  fs::create_symlink("nowhere", dir_.path() / "link.gguf");
  EXPECT_NE(failure((dir_.path() / "link.gguf").string(), host()).find("leads nowhere"),
            std::string::npos);
  EXPECT_NE(failure("/dev/null", host()).find("is not a regular file"), std::string::npos);
}

TEST_F(DiscoveryTest, FoldersThatTheUserNamedMustBeThere) {
  const fs::path file = dir_.write("mine/m.gguf", "x");
  HostPaths paths = host();
  EXPECT_TRUE(check_folders(paths).has_value());  // none of the other places exists
  paths.folders.push_back(dir_.path() / "mine");
  EXPECT_TRUE(check_folders(paths).has_value());
  for (const fs::path& wrong : {dir_.path() / "none", file, fs::path()}) {
    paths.folders = {dir_.path() / "mine", wrong};
    const Status status = check_folders(paths);
    ASSERT_FALSE(status.has_value()) << wrong;
    EXPECT_EQ(status.error().kind, ErrorKind::not_found);
    EXPECT_NE(status.error().what.find(wrong.string()), std::string::npos);
  }
}

TEST_F(DiscoveryTest, AnUnknownNameSuggestsTheNearest) {
  dir_.write("home/.quern/models/SmolLM2-135M.gguf", "x");
  EXPECT_EQ(failure("SmolLM2-153M", host()),
            "[model] no model or file 'SmolLM2-153M'; expected 'SmolLM2-135M', or another name "
            "that `quern list` shows");
  EXPECT_EQ(failure("/no/such/thing", host()),
            "[model] no model or file '/no/such/thing'; expected the path of a .gguf file, or a "
            "name that `quern list` shows");
  EXPECT_EQ(resolve_model("nothing", host()).error().kind, ErrorKind::not_found);
}

TEST_F(DiscoveryTest, ANameThatTwoModelsShareButForCaseMustBeExact) {
  dir_.write("home/.quern/models/Abc.gguf", "x");
  dir_.write("home/.quern/models/aBc.gguf", "y");
  EXPECT_FALSE(resolve_model("ABC", host()).has_value());
  EXPECT_TRUE(resolve_model("aBc", host()).has_value());
}

TEST(NearestNames, PutsTheLikeliestFirst) {
  const std::vector<std::string> names = {"llama3:8b", "llama3:70b", "qwen3:8b", "mistral"};
  EXPECT_EQ(nearest_names("llama", names), (std::vector<std::string>{"llama3:70b", "llama3:8b"}));
  EXPECT_EQ(nearest_names("lama3:8b", names)[0], "llama3:8b");
  EXPECT_EQ(nearest_names("MISTRAK", names), (std::vector<std::string>{"mistral"}));
  EXPECT_TRUE(nearest_names("something else", names).empty());
  EXPECT_TRUE(nearest_names("", names).empty());
}

}  // namespace
}  // namespace quern
