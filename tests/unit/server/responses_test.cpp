// OpenAI's Responses: requests and answers. Source: OpenAI's API reference, "Create a model
// response", "The response object", "Streaming events".
#include "server/responses.h"

#include <gtest/gtest.h>

#include <string>

#include "unit/server/answer_maker.h"

namespace quern::server {
namespace {

using test::AnswerTest;
using test::Kind;

Api<ResponsesCall> read(std::string_view body, const Json& earlier = Json::array()) {
  return read_responses_call(Json::parse(body), earlier);
}

std::string fault_of(const std::string& members) {
  const auto call = read(R"({"input":"hi",)" + members + "}");
  return call ? "" : call.error().param;
}

std::string text_of(const jinja::Value& message, std::string_view name) {
  const jinja::Value* value = message.entries().find(name);
  return value == nullptr ? "" : std::string(value->text());
}

TEST(ResponsesRequest, ATextIsAUsersMessageAfterTheInstructions) {
  const auto call = read(
      R"({"model":"m","input":"hi","instructions":"be kind","max_output_tokens":9,"store":false,
    "metadata":{"a":"b"},"text":{"format":{"type":"text"}}})");
  ASSERT_TRUE(call) << call.error().message;
  const auto& messages = call->plan.input.messages.items();
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(text_of(messages[0], "content"), "be kind");
  EXPECT_EQ(text_of(messages[1], "role"), "user");
  EXPECT_EQ(call->plan.fields.max_tokens, 9U);
  EXPECT_FALSE(call->store);
  EXPECT_EQ(call->echo["metadata"], Json::parse(R"({"a":"b"})"));
}

TEST(ResponsesRequest, ItemsOfAnAssistantAreOneMessage) {
  const auto call =
      read(R"({"input":[{"role":"user","content":[{"type":"input_text","text":"weather?"}]},
    {"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"hm"}]},
    {"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look"}]},
    {"type":"function_call","call_id":"c1","name":"get","arguments":"{\"city\":\"Rome\"}"},
    {"type":"function_call_output","call_id":"c1","output":"11"}],
    "tools":[{"type":"function","name":"get","parameters":{"type":"object"}}]})");
  ASSERT_TRUE(call) << call.error().message;
  const auto& messages = call->plan.input.messages.items();
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_EQ(text_of(messages[1], "reasoning_content"), "hm");
  EXPECT_EQ(text_of(messages[1], "content"), "I look");
  const auto& function =
      *messages[1].entries().find("tool_calls")->items()[0].entries().find("function");
  EXPECT_EQ(function.entries().find("arguments")->entries().find("city")->text(), "Rome");
  EXPECT_EQ(text_of(messages[2], "tool_call_id"), "c1");
  EXPECT_EQ(call->plan.input.tool_names, std::vector<std::string>{"get"});
}

TEST(ResponsesRequest, EarlierItemsComeFirstAndAreKept) {
  const Json earlier = Json::parse(R"([{"role":"user","content":"a"},
    {"type":"message","role":"assistant","content":[{"type":"output_text","text":"b"}]}])");
  const auto call = read(R"({"input":"c","previous_response_id":"resp_1"})", earlier);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->plan.input.messages.items().size(), 3U);
  EXPECT_EQ(call->items.size(), 3U);
  EXPECT_EQ(call->echo["previous_response_id"], "resp_1");
}

TEST(ResponsesRequest, WhatIsNotSupportedIsRefusedByName) {
  EXPECT_EQ(fault_of(R"("text":{"format":{"type":"json_schema"}})"), "text.format.type");
  EXPECT_EQ(fault_of(R"("tool_choice":"required")"), "tool_choice");
  EXPECT_EQ(fault_of(R"("tools":[{"type":"web_search"}])"), "tools[0].type");
  EXPECT_EQ(fault_of(R"("background":true)"), "background");
  EXPECT_EQ(fault_of(R"("truncation":"auto")"), "truncation");
  EXPECT_EQ(read(R"({"input":"x","truncation":"auto"})").error().code, "unsupported");
  EXPECT_EQ(read(R"({"input":"x","truncation":"none"})").error().code, "invalid_value");
  EXPECT_EQ(fault_of(R"("include":["file_search_call.results"])"), "include[0]");
  EXPECT_EQ(fault_of(R"("metadata":{"a":1})"), "metadata");
  EXPECT_EQ(
      read(R"({"input":[{"role":"user","content":[{"type":"input_image","image_url":"x"}]}]})")
          .error()
          .param,
      "input[0].content[0].type");
  EXPECT_EQ(read(R"({"input":[{"type":"item_reference","id":"x"}]})").error().param,
            "input[0].type");
  EXPECT_EQ(read("{}").error().param, "input");
}

ResponseBuilder builder(bool emits) {
  const ResponseOptions options{.id = "resp_1", .model = "m", .created_at = 5, .emits = emits};
  const auto call = read(R"({"input":"hi"})");
  return ResponseBuilder(new_response(options, *call), options, false);
}

TEST_F(AnswerTest, ResponsesStreamHasEveryEventInOrder) {
  ResponseBuilder response = builder(true);
  std::string text = response.add(said("hm", Kind::reasoning));
  text += response.add(said("hello"));
  text += response.add(called("get", {R"({"a":)", "1}"}));
  text += response.add(ended(FinishReason::stop));
  text += response.end();
  const std::vector<Json> events = test::named_events(text);
  EXPECT_EQ(test::types_of(events),
            (std::vector<std::string>{"response.created",
                                      "response.in_progress",
                                      "response.output_item.added",
                                      "response.content_part.added",
                                      "response.reasoning_text.delta",
                                      "response.reasoning_text.done",
                                      "response.content_part.done",
                                      "response.output_item.done",
                                      "response.output_item.added",
                                      "response.content_part.added",
                                      "response.output_text.delta",
                                      "response.output_text.done",
                                      "response.content_part.done",
                                      "response.output_item.done",
                                      "response.output_item.added",
                                      "response.function_call_arguments.delta",
                                      "response.function_call_arguments.delta",
                                      "response.function_call_arguments.done",
                                      "response.output_item.done",
                                      "response.completed"}));
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i]["sequence_number"], i);
  }
  EXPECT_EQ(events[10]["output_index"], 1);
  EXPECT_EQ(events[10]["item_id"], events[8]["item"]["id"]);
  EXPECT_EQ(events[17]["arguments"], R"({"a":1})");
  const Json& whole = events.back()["response"];
  EXPECT_EQ(whole["status"], "completed");
  EXPECT_EQ(whole["output"].size(), 3U);
  EXPECT_EQ(whole["usage"],
            Json::parse(R"({"input_tokens":7,"input_tokens_details":{"cached_tokens":4,
    "cache_write_tokens":0},"output_tokens":2,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":9})"));
}

TEST_F(AnswerTest, ResponsesCutShortAreIncomplete) {
  ResponseBuilder response = builder(false);
  EXPECT_EQ(response.add(said("hello")), "");  // nobody wants the events
  response.add(ended(FinishReason::length));
  EXPECT_EQ(response.response()["status"], "incomplete");
  EXPECT_EQ(response.response()["incomplete_details"],
            Json::parse(R"({"reason":"max_output_tokens"})"));
  const Json& item = response.response()["output"][0];
  EXPECT_EQ(item["status"], "incomplete");
  EXPECT_EQ(item["content"][0]["text"], "hello");
}

TEST_F(AnswerTest, ResponsesAnEmptyAnswerHasAMessage) {
  ResponseBuilder response = builder(false);
  response.add(ended(FinishReason::stop));
  EXPECT_EQ(response.response()["output"][0]["content"][0]["text"], "");
}

TEST_F(AnswerTest, ResponsesThatFailSaySo) {
  ResponseBuilder response = builder(true);
  response.add(said("hello"));
  const std::vector<Json> events =
      test::named_events(response.fail({.status = 500, .message = "broken"}));
  EXPECT_EQ(events[0]["type"], "response.failed");
  EXPECT_EQ(events[0]["response"]["error"],
            Json::parse(R"({"code":"server_error","message":"broken"})"));
}

}  // namespace
}  // namespace quern::server
