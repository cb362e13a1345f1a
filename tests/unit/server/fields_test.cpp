// Members of a request: types, ranges and the words of the errors. Which fields there are and what
// they may be: the contract's routes and OpenAI's API reference.
#include "server/fields.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "server/sampling_fields.h"

namespace quern::server {
namespace {

Json object(const std::string& text) {
  return parse_object(text).value();
}

template <typename Read>
std::string fault_of(const std::string& text, Read read) {
  const Json json = object(text);
  Fields fields(json);
  read(fields);
  if (!fields.error()) {
    return "none";
  }
  EXPECT_EQ(fields.error()->status, 400U);
  return fields.error()->param + ": " + fields.error()->message;
}

std::string sampling_fault(const std::string& text) {
  SamplingFields sampling;
  return fault_of(text, [&](Fields& fields) { read_sampling(fields, sampling); });
}

TEST(Body, IsAnObject) {
  EXPECT_EQ(parse_object("[1]").error().message, "the body is a list of 1; expected a JSON object");
  EXPECT_EQ(parse_object("{").error().status, 400U);
  EXPECT_EQ(parse_object("{").error().code, "invalid_json");
}

TEST(Fields, TakeNumbersInRange) {
  EXPECT_EQ(sampling_fault(R"({"temperature":2,"top_p":0,"top_k":-1,"seed":-9223372036854775808})"),
            "none");
  EXPECT_EQ(sampling_fault(R"({"temperature":7})"),
            "temperature: temperature is 7; expected a number from 0 to 2");
  EXPECT_EQ(sampling_fault(R"({"temperature":"1"})"),
            "temperature: temperature is a string; expected a number from 0 to 2");
  EXPECT_EQ(sampling_fault(R"({"top_p":true})"),
            "top_p: top_p is true; expected a number from 0 to 1");
  EXPECT_EQ(sampling_fault(R"({"top_k":1.5})"),
            "top_k: top_k is 1.5; expected an integer from -1 to 2147483647");
  EXPECT_NE(sampling_fault(R"({"seed":9223372036854775808})"), "none");
}

TEST(Fields, TakeAWholeFloatForAnInteger) {
  const Json json = object(R"({"top_k":3.0})");
  Fields fields(json);
  SamplingFields sampling;
  read_sampling(fields, sampling);
  EXPECT_EQ(sampling.top_k, 3);
  EXPECT_FALSE(whole_number(Json(1e300)).has_value());
}

TEST(Fields, NullIsAbsent) {
  EXPECT_EQ(sampling_fault(R"({"temperature":null,"logit_bias":null,"ignore_eos":null})"), "none");
}

TEST(Fields, TheFirstFaultIsKept) {
  EXPECT_EQ(sampling_fault(R"({"top_p":9,"temperature":9})"),
            "temperature: temperature is 9; expected a number from 0 to 2");
}

TEST(LogitBias, IsKeyedByTokenIds) {
  const Json json = object(R"({"logit_bias":{"5":-100,"17":2.5}})");
  Fields fields(json);
  SamplingFields sampling;
  read_sampling(fields, sampling);
  ASSERT_EQ(sampling.logit_bias.size(), 2U);
  EXPECT_EQ(sampling.logit_bias[1].token, TokenId{17});
  EXPECT_EQ(sampling.logit_bias[1].bias, 2.5F);
  EXPECT_EQ(sampling_fault(R"({"logit_bias":{"5":101}})"),
            "logit_bias.5: logit_bias.5 is 101; expected a number from -100 to 100");
  for (const char* name : {"", "a", "-1", "1.0", "99999999999", "+1", " 1"}) {
    EXPECT_TRUE(sampling_fault(std::string(R"({"logit_bias":{")") + name + "\":0}}")
                    .starts_with("logit_bias: "))
        << name;
  }
}

TEST(Stop, IsAStringOrUpToSixteen) {
  const auto stop_of = [](const std::string& text) {
    std::vector<std::string> stop;
    const std::string fault =
        fault_of(text, [&](Fields& fields) { read_stop(fields, "stop", stop); });
    return std::pair(fault, stop);
  };
  EXPECT_EQ(stop_of(R"({"stop":"a"})").second, std::vector<std::string>{"a"});
  EXPECT_EQ(stop_of(R"({"stop":["a","b"]})").second, (std::vector<std::string>{"a", "b"}));
  EXPECT_NE(stop_of(R"({"stop":""})").first, "none");
  EXPECT_NE(stop_of(R"({"stop":["a",1]})").first, "none");
  EXPECT_NE(stop_of(Json{{"stop", std::vector<std::string>(17, "a")}}.dump()).first, "none");
  EXPECT_EQ(stop_of(Json{{"stop", std::vector<std::string>(16, "a")}}.dump()).first, "none");
  EXPECT_NE(stop_of(Json{{"stop", std::string(1025, 'a')}}.dump()).first, "none");
}

TEST(Fields, SayWhatWasGivenAndWhatIsMissing) {
  std::vector<std::string> stop;
  const auto stop_fault = [&](const std::string& text) {
    return fault_of(text, [&](Fields& fields) { read_stop(fields, "stop", stop); });
  };
  EXPECT_EQ(stop_fault(R"({"stop":""})"), "stop: stop is empty; expected at least one character");
  EXPECT_EQ(stop_fault(R"({"stop":["a",""]})"),
            "stop[1]: stop[1] is empty; expected at least one character");
  EXPECT_EQ(stop_fault(R"({"stop":["a",1]})"), "stop[1]: stop[1] is 1; expected a string");
  EXPECT_EQ(stop_fault(R"({"stop":7})"),
            "stop: stop is 7; expected a string, or a list of at most 16 strings");
  EXPECT_EQ(fault_of(R"({"a":7})", [](Fields& fields) { fields.array("a", {0, kAnyLength}); }),
            "a: a is 7; expected a list");
  std::string word;
  EXPECT_EQ(fault_of(R"({"role":"robot"})",
                     [&](Fields& fields) { fields.word("role", word, {"user", "tool"}); }),
            "role: role is \"robot\"; expected one of user, tool");
  int64_t number = 0;
  EXPECT_EQ(fault_of(R"({"a":1})", [&](Fields& fields) { fields.integer("a", number, {0, 0}); }),
            "a: a is 1; expected 0");
}

TEST(Schedule, TakesWordsAndIntegers) {
  const auto read = [](const std::string& text) {
    ScheduleFields schedule;
    const std::string fault =
        fault_of(text, [&](Fields& fields) { read_schedule(fields, schedule); });
    EXPECT_EQ(fault, "none");
    return schedule;
  };
  EXPECT_EQ(read(R"({"priority":"high"})").priority, -10);
  EXPECT_EQ(read(R"({"priority":"normal"})").priority, 0);
  EXPECT_EQ(read(R"({"priority":"low"})").priority, 10);
  EXPECT_EQ(read(R"({"priority":-3})").priority, -3);
  EXPECT_EQ(read(R"({"timeout_ms":250})").timeout_ms, 250U);
  ScheduleFields schedule;
  const std::string expected =
      "; expected an integer from -2147483647 to 2147483647, or one of \"high\", \"normal\", "
      "\"low\"";
  for (const auto& [given, told] : {std::pair("\"urgent\"", "\"urgent\""),
                                    {"\"5\"", "\"5\""},
                                    {"1.5", "1.5"},
                                    {"[]", "a list of 0"}}) {
    EXPECT_EQ(fault_of(fmt::format(R"({{"priority":{}}})", given),
                       [&](Fields& fields) { read_schedule(fields, schedule); }),
              fmt::format("priority: priority is {}{}", told, expected));
  }
  EXPECT_EQ(fault_of(R"({"queue_timeout_ms":0})",
                     [&](Fields& fields) { read_schedule(fields, schedule); }),
            "queue_timeout_ms: queue_timeout_ms is 0; expected an integer from 1 to 2147483647");
}

}  // namespace
}  // namespace quern::server
