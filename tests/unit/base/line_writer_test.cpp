#include "base/line_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>

namespace quern {
namespace {

class LineWriterTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(pipe2(ends_.data(), O_CLOEXEC), 0); }
  void TearDown() override {
    close_reader();
    close_writer();
  }

  std::unique_ptr<LineWriter> writer() const {
    return std::make_unique<LineWriter>(
        ends_[1], [](uint64_t n_lost) { return fmt::format("{} lost", n_lost); });
  }
  void close_reader() { close_end(0); }
  void close_writer() { close_end(1); }
  // Until the writer's end is closed.
  std::string read_all() const {
    std::string text;
    std::array<char, 4096> part{};
    for (ssize_t n = 0; (n = read(ends_[0], part.data(), part.size())) > 0;) {
      text.append(part.data(), static_cast<size_t>(n));
    }
    return text;
  }
  std::string read_line() const {
    std::string line;
    for (char c = 0; read(ends_[0], &c, 1) == 1 && c != '\n';) {
      line += c;
    }
    return line;
  }

 private:
  void close_end(size_t which) {
    if (ends_[which] >= 0) {
      close(ends_[which]);
      ends_[which] = -1;
    }
  }
  std::array<int, 2> ends_{-1, -1};
};

TEST_F(LineWriterTest, WritesLinesInOrderAndAllBeforeItGoes) {
  auto lines = writer();
  lines->write("one");
  lines->write("");
  lines->write("three");
  lines.reset();
  close_writer();
  EXPECT_EQ(read_all(), "one\n\nthree\n");
}

// Nobody reads: more lines than a pipe and the queue hold are taken without waiting, and the
// reader learns how many it missed.
TEST_F(LineWriterTest, AReaderThatStandsStillHoldsNothingUp) {
  const std::string line(1023, 'x');
  constexpr size_t kLines = 2 * LineWriter::kMaxQueuedBytes / 1024;
  auto lines = writer();
  for (size_t i = 0; i < kLines; ++i) {
    lines->write(line);
  }
  size_t n_read = 0;
  std::string last;
  for (last = read_line(); last == line; last = read_line()) {
    ++n_read;
  }
  EXPECT_EQ(last, fmt::format("{} lost", kLines - n_read));
  EXPECT_LT(n_read, kLines);
  lines->write("next");
  EXPECT_EQ(read_line(), "next");
}

TEST_F(LineWriterTest, EndsWithAReaderThatStandsStillOrIsGone) {
  auto lines = writer();
  for (int i = 0; i < 1024; ++i) {
    lines->write(std::string(1023, 'x'));
  }
  lines.reset();  // gives up: this line is reached
  close_reader();
  auto others = writer();
  others->write("to nobody");
  others.reset();
}

}  // namespace
}  // namespace quern
