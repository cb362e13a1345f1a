// A fault while a model is loaded is an error of its kind, and another attempt may succeed.
#include <gtest/gtest.h>

#include "base/mapping_guard.h"
#include "base/retry.h"
#include "engine/loaded_model.h"
#include "gguf/reader.h"
#include "gguf/writer.h"
#include "support/golden.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace quern {
namespace {
namespace fs = std::filesystem;

using Loaded = Result<std::unique_ptr<LoadedModel>>;

class LoadFaultTest : public testing::Test {
 protected:
  void SetUp() override { test::write_tiny_model(path(), {.dtype = DType::q4_0}); }

  fs::path path() const { return dir_.path() / "tiny.gguf"; }

  Loaded load(LoadProgress progress = {}) { return load_from(path(), std::move(progress)); }
  Loaded load_from(const fs::path& path, LoadProgress progress) {
    return LoadedModel::load(
        {.path = path, .n_threads = 2, .progress = std::move(progress), .fail_points = &points_},
        Log());
  }

  // Cuts a file when the first tensor has been loaded.
  static LoadProgress cutting(const fs::path& path, uint64_t n_bytes_left) {
    return [path, n_bytes_left, done = false](uint64_t, uint64_t) mutable {
      if (!done) {
        done = true;
        fs::resize_file(path, n_bytes_left);
      }
    };
  }

  test::TempDir dir_;
  FailPoints points_;
};

TEST_F(LoadFaultTest, EachFaultIsAnErrorOfItsKindWhereverItComes) {
  // The header is mapped and read once, then the file is mapped again and each tensor read.
  const uint64_t n_tensors = read_model_card(path())->tensors().size();
  for (const uint64_t after : {uint64_t{0}, uint64_t{1}, n_tensors - 1}) {
    points_.arm(FailPoint::allocation, {.after = after});
    const auto without_memory = load();
    ASSERT_FALSE(without_memory.has_value()) << after;
    EXPECT_EQ(without_memory.error().kind, ErrorKind::out_of_memory);
    points_.arm(FailPoint::read, {.after = after + 1});
    const auto unread = load();
    ASSERT_FALSE(unread.has_value()) << after;
    EXPECT_EQ(unread.error().kind, ErrorKind::io);
  }
  for (const uint64_t after : {uint64_t{0}, uint64_t{1}}) {
    points_.arm(FailPoint::mmap, {.after = after});
    const auto unmapped = load();
    ASSERT_FALSE(unmapped.has_value()) << after;
    EXPECT_EQ(unmapped.error().kind, ErrorKind::io);
  }
  EXPECT_TRUE(load().has_value());
}

TEST_F(LoadFaultTest, FaultsThatPassAreRetriedAndCounted) {
  points_.arm(FailPoint::mmap, {});
  points_.arm(FailPoint::allocation, {.after = 3});
  std::vector<int64_t> slept;
  const auto done = retry(
      RetryPolicy{.max_attempts = 4, .first_delay_ms = 10}, [&] { return load(); },
      [&](int64_t delay_ms) {
        slept.push_back(delay_ms);
        return true;
      });
  EXPECT_TRUE(done.result.has_value());
  EXPECT_EQ(done.n_retries, 2U);
  EXPECT_EQ(slept, (std::vector<int64_t>{10, 20}));
}

TEST_F(LoadFaultTest, AFileThatIsCutWhileItIsLoadedGivesNoModel) {
  install_mapping_guard();
  const uint64_t n_bytes = fs::file_size(path());
  // Down to nothing, by half, and by less than a page, which gives zeros and no signal.
  for (const uint64_t n_bytes_left : {uint64_t{0}, n_bytes / 2, n_bytes - 100}) {
    test::write_tiny_model(path(), {.dtype = DType::q4_0});
    const auto cut = load(cutting(path(), n_bytes_left));
    ASSERT_FALSE(cut.has_value()) << n_bytes_left;
    EXPECT_EQ(cut.error().kind, ErrorKind::io) << cut.error().to_string();
  }
  test::write_tiny_model(path(), {.dtype = DType::q4_0});
  EXPECT_TRUE(load().has_value());
}

TEST_F(LoadFaultTest, ACutPartOfASplitSetGivesNoModelEither) {
  install_mapping_guard();
  const auto card = read_model_card(path());
  ASSERT_TRUE(card.has_value());
  const std::string bytes = test::read_text(path());
  GgufWriter writer;
  ASSERT_TRUE(writer.add_metadata(*card).has_value());
  for (const TensorInfo& tensor : card->tensors()) {
    ASSERT_TRUE(writer.add_tensor(
        {.name = std::string(tensor.name), .dtype = tensor.dtype, .shape = tensor.shape},
        std::as_bytes(std::span(bytes)).subspan(tensor.file_offset, tensor.n_bytes)));
  }
  for (size_t cut = 0; cut < 2; ++cut) {
    const auto parts = writer.write_split(dir_.path() / "set", card->tensors().size() / 2 + 1);
    ASSERT_TRUE(parts.has_value());
    ASSERT_EQ(parts->size(), 2U);
    EXPECT_TRUE(load_from(parts->front(), {}).has_value());
    const auto loaded = load_from(parts->front(), cutting((*parts)[cut], 0));
    ASSERT_FALSE(loaded.has_value()) << cut;
    EXPECT_EQ(loaded.error().kind, ErrorKind::io);
    EXPECT_EQ(loaded.error().file, (*parts)[cut].string()) << loaded.error().to_string();
  }
}

}  // namespace
}  // namespace quern
