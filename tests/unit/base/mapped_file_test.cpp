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

TEST_F(MappedFileTest, TellsThatTheFileWasChangedButNotThatItWasReplaced) {
  const auto file = MappedFile::open(write(std::string(100, 'q')));
  ASSERT_TRUE(file.has_value());
  EXPECT_TRUE(file->check_intact().has_value());
  // Cut within the page: its end reads as zeros, without any signal.
  fs::resize_file(dir_ / "file", 50);
  const Status cut = file->check_intact();
  ASSERT_FALSE(cut.has_value());
  EXPECT_EQ(cut.error().kind, ErrorKind::io);

  const auto other = MappedFile::open(write(std::string(100, 'q')));
  ASSERT_TRUE(other.has_value());
  std::ofstream(dir_ / "new", std::ios::binary) << "short";
  fs::rename(dir_ / "new", dir_ / "file");
  EXPECT_TRUE(other->check_intact().has_value());
  fs::remove(dir_ / "file");
  EXPECT_TRUE(other->check_intact().has_value());
  EXPECT_EQ(other->bytes()[99], std::byte{'q'});
}

TEST_F(MappedFileTest, FailsWhereThatIsOrdered) {
  FailPoints points;
  points.arm(FailPoint::mmap, {});
  const auto refused = MappedFile::open(write("text"), &points);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::io);
  points.arm(FailPoint::read, {});
  const auto file = MappedFile::open(write("text"), &points);
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(file->check_intact().error().kind, ErrorKind::io);
  EXPECT_TRUE(file->check_intact().has_value());
}

}  // namespace
}  // namespace quern
