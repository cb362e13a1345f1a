#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>

namespace quern {
namespace {
namespace fs = std::filesystem;

class MappedFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("quern_mapped_" + std::to_string(::getpid()));
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  fs::path write(const std::string& content) const {
    const fs::path path = dir_ / "file";
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  fs::path dir_;
};

TEST_F(MappedFileTest, ShowsTheBytesOfTheFileAlsoAfterAMove) {
  const std::string content(10000, 'q');
  auto file = MappedFile::open(write(content));
  ASSERT_TRUE(file.has_value());
  const MappedFile moved = std::move(*file);
  ASSERT_EQ(moved.n_bytes(), content.size());
  EXPECT_EQ(std::memcmp(moved.bytes().data(), content.data(), content.size()), 0);
  moved.advise_dontneed(1, moved.n_bytes() - 1);
  EXPECT_EQ(std::memcmp(moved.bytes().data(), content.data(), content.size()), 0);
}

TEST_F(MappedFileTest, AnEmptyFileHasNoBytes) {
  const auto file = MappedFile::open(write(""));
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(file->n_bytes(), 0u);
  file->advise_dontneed(0, 0);
}

TEST_F(MappedFileTest, AMissingFileAndAFolderAndAPipeAreRefused) {
  EXPECT_EQ(MappedFile::open(dir_ / "none").error().kind, ErrorKind::not_found);
  EXPECT_EQ(MappedFile::open(dir_).error().kind, ErrorKind::invalid_input);
  const fs::path pipe = dir_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(MappedFile::open(pipe).error().kind, ErrorKind::invalid_input);
}

}  // namespace
}  // namespace quern
