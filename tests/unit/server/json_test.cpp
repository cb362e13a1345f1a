// Reading JSON from outside. What is valid JSON: RFC 8259; the bounds are the server's own.
#include "server/json.h"

#include <gtest/gtest.h>

#include <string>

#include <fmt/format.h>

namespace quern::server {
namespace {

std::string problem_of(const std::string& text) {
  const Result<Json> json = parse_json(text);
  return json ? "none" : json.error().what;
}

std::string nested(size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

TEST(ParseJson, KeepsOrderAndTypes) {
  const auto json = parse_json(R"({"b":1,"a":[true,null,-2,1.5,"x\u00e9"],"c":{}})");
  ASSERT_TRUE(json.has_value());
  EXPECT_EQ(dump(*json), R"({"b":1,"a":[true,null,-2,1.5,"xé"],"c":{}})");
}

TEST(ParseJson, OfEqualNamesTheLastCounts) {
  std::string text = R"({"a":1,"b":2,"a":3)";
  EXPECT_EQ(dump(*parse_json(text + "}")), R"({"a":3,"b":2})");
  for (int i = 0; i < 100; ++i) {  // beyond where members are found by an index
    text += fmt::format(R"(,"k{}":0)", i);
  }
  const auto json = parse_json(text + R"(,"k7":5,"b":9})");
  ASSERT_TRUE(json.has_value());
  EXPECT_EQ(json->size(), 102U);
  EXPECT_EQ((*json)["k7"], 5);
  EXPECT_EQ((*json)["b"], 9);
}

TEST(ParseJson, RefusesMoreValuesThanMemoryIsGivenFor) {
  std::string text = "[0";
  for (size_t i = 2; i < kMaxValues; ++i) {
    text += ",0";
  }
  EXPECT_EQ(problem_of(text + "]"), "none");
  EXPECT_EQ(problem_of(text + ",0]"), "the JSON has more than 2097152 values");
}

TEST(ParseJson, RefusesWhatIsNoJson) {
  for (const char* text : {"", "{", "NaN", "[Infinity]", "{\"a\":1,}", "'a'", "[1] 2", "01"}) {
    EXPECT_TRUE(problem_of(text).starts_with("the JSON is malformed at byte")) << text;
  }
  EXPECT_EQ(problem_of("1e999"), "the JSON has a number that is too large");
}

TEST(ParseJson, RefusesWhatIsNoUtf8) {
  EXPECT_TRUE(problem_of("\"\xC3\"").starts_with("the JSON is malformed"));
  EXPECT_TRUE(problem_of("\"\xED\xA0\x80\"").starts_with("the JSON is malformed"));
  EXPECT_TRUE(problem_of(R"("\ud800")").starts_with("the JSON is malformed"));
}

TEST(ParseJson, BoundsDepthAndMembers) {
  EXPECT_EQ(problem_of(nested(kMaxBodyDepth)), "none");
  EXPECT_EQ(problem_of(nested(kMaxBodyDepth + 1)), "the JSON is nested deeper than 128 levels");
  EXPECT_EQ(problem_of(std::string(1'000'000, '[')), "the JSON is nested deeper than 128 levels");
  std::string text = "{";
  for (size_t i = 0; i <= kMaxMembers; ++i) {
    text += fmt::format(R"({}"{}":0)", i == 0 ? "" : ",", i);
  }
  EXPECT_EQ(problem_of(text + "}"), "the JSON has an object with more than 65536 members");
}

TEST(DumpJson, WritesUtf8Whatever) {
  EXPECT_EQ(dump(Json("a\xFF")), "\"a\uFFFD\"");
}

}  // namespace
}  // namespace quern::server
