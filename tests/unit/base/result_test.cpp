#include "base/result.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) {
    return fail(
        {.kind = ErrorKind::invalid_input, .where = "test", .what = "odd", .expected = "even"});
  }
  return n / 2;
}

Result<int> quarter(int n) {
  QUERN_ASSIGN(const int h, half(n));
  return half(h);
}

TEST(Result, AssignPassesTheFirstErrorUp) {
  EXPECT_EQ(quarter(8).value(), 2);
  ASSERT_FALSE(quarter(6).has_value());
  EXPECT_EQ(quarter(6).error().to_string(), "[test] odd; expected even");
}

TEST(Result, ExitCodesFollowTheContract) {
  EXPECT_EQ(exit_code(ErrorKind::invalid_input), 1);
  EXPECT_EQ(exit_code(ErrorKind::unsupported), 1);
  EXPECT_EQ(exit_code(ErrorKind::usage), 2);
  EXPECT_EQ(exit_code(ErrorKind::out_of_memory), 3);
  EXPECT_EQ(exit_code(ErrorKind::io), 3);
  EXPECT_EQ(exit_code(ErrorKind::cancelled), 130);
}

TEST(Error, StaysOneLineWhateverAFileSays) {
  const Error error = {.where = "template",
                       .what =
                           "a\n\x1b[2J\x7f\t\xc2\x9b"
                           "1mGr\xc3\xbc\xc3\x9f"
                           "e \\n",
                       .expected = "b\r"};
  EXPECT_EQ(error.to_string(),
            "[template] a\\n\\x1b[2J\\x7f\\x09\\x9b1mGr\xc3\xbc\xc3\x9f"
            "e \\n; expected b\\x0d");
}

TEST(Error, SaysWhereAndWhatAndLeavesOutAnEmptyExpectation) {
  EXPECT_EQ((Error{.where = "gguf", .what = "bad magic", .expected = ""}).to_string(),
            "[gguf] bad magic");
}

TEST(Error, NamesTheInnermostFileInOneLine) {
  const auto failed = fail_in(
      "a/whole.gguf",
      fail_in("a/p\n2.gguf", {.where = "gguf", .what = "bad magic", .expected = "GGUF"}).error());
  EXPECT_EQ(failed.error().to_string(), "[gguf] 'a/p\\n2.gguf': bad magic; expected GGUF");
}

}  // namespace
}  // namespace quern
