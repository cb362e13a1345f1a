#include "base/log.h"

#include <gtest/gtest.h>

#include <vector>

namespace quern {
namespace {

void one_of_each(const Log& log) {
  log.debug("d");
  log.info("i");
  log.warn("w");
  log.error("e");
}

std::string on_stderr(bool verbose) {
  testing::internal::CaptureStderr();
  one_of_each(Log::to_stderr(verbose));
  return testing::internal::GetCapturedStderr();
}

TEST(Log, StderrGetsWarningsAndErrorsAndAllWhenVerbose) {
  EXPECT_EQ(on_stderr(false), "quern: w\nquern: e\n");
  EXPECT_EQ(on_stderr(true), "quern: d\nquern: i\nquern: w\nquern: e\n");
}

TEST(Log, ASinkGetsEveryLineWithItsLevelFromEveryCopy) {
  std::vector<std::pair<LogLevel, std::string>> lines;
  const Log log([&](LogLevel level, std::string_view line) { lines.emplace_back(level, line); });
  const Log copy = log;  // NOLINT(performance-unnecessary-copy-initialization): a copy is tested
  one_of_each(copy);
  EXPECT_EQ(lines, (std::vector<std::pair<LogLevel, std::string>>{{LogLevel::debug, "d"},
                                                                  {LogLevel::info, "i"},
                                                                  {LogLevel::warning, "w"},
                                                                  {LogLevel::error, "e"}}));
}

TEST(Log, WithoutASinkDropsAll) {
  testing::internal::CaptureStderr();
  one_of_each(Log());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace quern
