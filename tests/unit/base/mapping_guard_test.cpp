#include "base/mapping_guard.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "base/mapped_file.h"
#include "support/temp_dir.h"

namespace quern {
namespace {
namespace fs = std::filesystem;

class MappingGuardTest : public testing::Test {
 protected:
  void SetUp() override { install_mapping_guard(); }

  // Eight pages of 'q'.
  fs::path write(const std::string& name) const {
    return dir_.write(name, std::string(8 * page(), 'q'));
  }
  static size_t page() { return static_cast<size_t>(::sysconf(_SC_PAGESIZE)); }
  static bool all_are(ByteSpan bytes, char c) {
    return std::ranges::all_of(bytes, [c](std::byte b) { return b == static_cast<std::byte>(c); });
  }

  test::TempDir dir_;
};

TEST_F(MappingGuardTest, ACutFileReadsAsZerosAndPoisonsItsMappingAlone) {
  const auto cut = MappedFile::open(write("cut"));
  const auto whole = MappedFile::open(write("whole"));
  ASSERT_TRUE(cut.has_value() && whole.has_value());
  fs::resize_file(dir_.path() / "cut", 3 * page());
  EXPECT_TRUE(all_are(cut->bytes().first(3 * page()), 'q'));
  EXPECT_FALSE(cut->is_poisoned());
  EXPECT_TRUE(all_are(cut->bytes().subspan(5 * page()), '\0'));
  EXPECT_TRUE(cut->is_poisoned());
  // Also what lies before the first page that was missed.
  EXPECT_TRUE(all_are(cut->bytes().subspan(3 * page(), page()), '\0'));
  EXPECT_TRUE(all_are(cut->bytes().first(3 * page()), 'q'));
  EXPECT_TRUE(all_are(whole->bytes(), 'q'));
  EXPECT_FALSE(whole->is_poisoned());
  const Status status = cut->check_intact();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().kind, ErrorKind::io);
  EXPECT_TRUE(whole->check_intact().has_value());
}

TEST_F(MappingGuardTest, ThePoisonMovesWithTheFileAndEndsWithIt) {
  auto file = MappedFile::open(write("file"));
  ASSERT_TRUE(file.has_value());
  fs::resize_file(dir_.path() / "file", 0);
  EXPECT_TRUE(all_are(file->bytes().first(1), '\0'));
  MappedFile moved = std::move(*file);
  EXPECT_TRUE(moved.is_poisoned());
  EXPECT_FALSE(file->is_poisoned());  // NOLINT(bugprone-use-after-move): moved from is empty
  moved = *MappedFile::open(write("file"));
  EXPECT_FALSE(moved.is_poisoned()) << "the next one in the same place is clean";
}

TEST_F(MappingGuardTest, ManyThreadsReadingWhatIsGoneAllSurvive) {
  const auto file = MappedFile::open(write("file"));
  ASSERT_TRUE(file.has_value());
  fs::resize_file(dir_.path() / "file", 0);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 4; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(all_are(file->bytes(), '\0')); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_TRUE(file->is_poisoned());
}

TEST_F(MappingGuardTest, AForkedChildIsGuardedToo) {
  const auto file = MappedFile::open(write("file"));
  ASSERT_TRUE(file.has_value());
  fs::resize_file(dir_.path() / "file", 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(all_are(file->bytes(), '\0') && file->is_poisoned() ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_FALSE(file->is_poisoned()) << "the parent has not read yet";
}

TEST_F(MappingGuardTest, AFullTableIsAnErrorAndAPlaceGivenBackIsUsedAgain) {
  const auto memory = MappedFile::open(write("file"));
  ASSERT_TRUE(memory.has_value());  // takes a place itself
  std::vector<GuardedMapping> all;
  for (size_t i = 1; i < kMaxGuardedMappings; ++i) {
    auto guarded = GuardedMapping::create(memory->bytes());
    ASSERT_TRUE(guarded.has_value()) << i;
    all.push_back(std::move(*guarded));
  }
  const auto refused = MappedFile::open(dir_.path() / "file");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::io);
  all.pop_back();
  EXPECT_TRUE(MappedFile::open(dir_.path() / "file").has_value());
}

using MappingGuardDeathTest = MappingGuardTest;

TEST_F(MappingGuardDeathTest, AFaultInAnotherMappingStillKills) {
  const fs::path path = write("file");
  const auto read_lost_page = [&] {
    const int descriptor = ::open(path.c_str(), O_RDONLY);
    void* const start = ::mmap(nullptr, 8 * page(), PROT_READ, MAP_SHARED, descriptor, 0);
    fs::resize_file(path, 0);
    ::_exit(*static_cast<volatile const char*>(start));
  };
  EXPECT_EXIT(read_lost_page(), testing::KilledBySignal(SIGBUS), "");
}

TEST_F(MappingGuardDeathTest, ASignalThatAProcessSendsStillKills) {
  EXPECT_EXIT(::kill(::getpid(), SIGBUS), testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace quern
