#include "text/answer/json_scanner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace quern::test {
namespace {

bool is_json(std::string_view text) {
  answer::JsonScanner scanner;
  return std::ranges::all_of(text, [&](char c) { return scanner.push(c); }) && scanner.complete();
}

// Source: the grammar of RFC 8259, sections 2 to 7.
TEST(JsonScanner, AcceptsJson) {
  for (const char* text : {"0",
                           "-0",
                           "12",
                           "-1.5",
                           "1e9",
                           "0.25E-10",
                           "2e+3",
                           "true",
                           "false",
                           "null",
                           "\"\"",
                           "\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00fF\"",
                           "[]",
                           "[ ]",
                           "{}",
                           "{ }",
                           "[1,2]",
                           "[[],{}]",
                           "{\"a\":1,\"b\":[true,null]}",
                           " \t\r\n{ \"a\" : \"b\" } \n",
                           "\"\xC3\xBC\""}) {
    EXPECT_TRUE(is_json(text)) << text;
  }
}

TEST(JsonScanner, RefusesWhatIsNone) {
  for (const char* text :
       {"",    " ",    "01",    "-",       "+1",       ".5",    "1.",         "1e",          "1e+",
        "tru", "nul1", "True",  "NaN",     "'a'",      "\"a",   "\"\\x\"",    "\"\\u00g0\"", "[1,]",
        "[,]", "[1",   "]",     "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "{1:2}",       "[1}",
        "{]",  "1 2",  "[] []", "\"a\"b",  "--1",      "1.2.3", "0x1"}) {
    EXPECT_FALSE(is_json(text)) << text;
  }
}

TEST(JsonScanner, ControlCharactersInStringsAreTold) {
  answer::JsonScanner scanner;
  for (const char c : std::string_view("\"a\n\"")) {
    EXPECT_TRUE(scanner.push(c));
  }
  EXPECT_TRUE(scanner.complete());
  EXPECT_TRUE(scanner.saw_control());
}

TEST(JsonScanner, DepthIsBounded) {
  constexpr size_t kMax = answer::JsonScanner::kMaxDepth;
  EXPECT_TRUE(is_json(std::string(kMax, '[') + std::string(kMax, ']')));
  EXPECT_FALSE(is_json(std::string(kMax + 1, '[') + std::string(kMax + 1, ']')));
}

}  // namespace
}  // namespace quern::test
