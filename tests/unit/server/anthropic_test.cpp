// Anthropic's requests and answers. Source: Anthropic's API reference, "Messages" and "Streaming
// messages" (the order of events, the shapes of blocks and deltas).
#include "server/anthropic.h"

#include <gtest/gtest.h>

#include <string>

#include "unit/server/answer_maker.h"

namespace quern::server {
namespace {

using test::AnswerTest;
using test::Kind;

Api<MessagesCall> read(std::string_view body) {
  return read_messages_call(body, MessagesUse::answer);
}

// The field at fault in a request that has `members` beside what it needs.
std::string fault_of(const std::string& members) {
  const auto call =
      read(R"({"max_tokens":8,"messages":[{"role":"user","content":"hi"}],)" + members + "}");
  return call ? "" : call.error().param;
}

std::string text_of(const jinja::Value& message, std::string_view name) {
  const jinja::Value* value = message.entries().find(name);
  return value == nullptr ? "" : std::string(value->text());
}

TEST(AnthropicRequest, BlocksBecomeMessagesOfTheTemplate) {
  const auto call =
      read(R"({"model":"m","max_tokens":100,"system":[{"type":"text","text":"be kind"}],"messages":[
    {"role":"user","content":"weather?"},
    {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"I look"},
      {"type":"tool_use","id":"t1","name":"get","input":{"city":"Rome"}}]},
    {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"11"}]},
      {"type":"text","text":"and?"}]}],
    "tools":[{"name":"get","description":"d","input_schema":{"type":"object"}}],"tool_choice":{"type":"auto",
    "disable_parallel_tool_use":true}})");
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_TRUE(call->one_tool_call);
  const auto& messages = call->plan.input.messages.items();
  ASSERT_EQ(messages.size(), 5U);
  EXPECT_EQ(text_of(messages[0], "role"), "system");
  EXPECT_EQ(text_of(messages[2], "reasoning_content"), "hm");
  EXPECT_EQ(text_of(messages[2], "content"), "I look");
  EXPECT_EQ(messages[2].entries().find("tool_calls")->items().size(), 1U);
  EXPECT_EQ(text_of(messages[3], "role"), "tool");
  EXPECT_EQ(text_of(messages[3], "tool_call_id"), "t1");
  EXPECT_EQ(text_of(messages[3], "content"), "11");
  EXPECT_EQ(text_of(messages[4], "content"), "and?");
  EXPECT_FALSE(call->plan.input.continue_final);
}

TEST(AnthropicRequest, AnAssistantsTextAtTheEndIsGoneOnWith) {
  const auto call = read(
      R"({"max_tokens":8,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})");
  ASSERT_TRUE(call);
  EXPECT_TRUE(call->plan.input.continue_final);
}

TEST(AnthropicRequest, ParametersAreRead) {
  const auto call = read(
      R"({"model":"m","max_tokens":8,"messages":[{"role":"user","content":"a"}],"temperature":0.5,
    "top_k":5,"top_p":0.7,"stop_sequences":["x"],"stream":true,"metadata":{"user_id":"u"},
    "thinking":{"type":"enabled","budget_tokens":1024}})");
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_EQ(call->plan.fields.max_tokens, 8U);
  EXPECT_TRUE(call->plan.fields.stream);
  EXPECT_EQ(call->plan.fields.stop, std::vector<std::string>{"x"});
  EXPECT_EQ(call->plan.input.reasoning_field, "thinking");
  EXPECT_EQ(call->plan.input.variables.front().first, "enable_thinking");
}

TEST(AnthropicRequest, FaultsAreNamed) {
  EXPECT_EQ(fault_of(R"("temperature":1.5)"), "temperature");
  EXPECT_EQ(fault_of(R"("tool_choice":{"type":"any"})"), "tool_choice.type");
  EXPECT_EQ(fault_of(R"("tools":[{"type":"bash_20250124","name":"bash"}])"), "tools[0].type");
  EXPECT_EQ(fault_of(R"("mcp_servers":[{}])"), "mcp_servers");
  EXPECT_EQ(read(R"({"messages":[{"role":"user","content":"a"}]})").error().param, "max_tokens");
  EXPECT_TRUE(
      read_messages_call(R"({"messages":[{"role":"user","content":"a"}]})", MessagesUse::count));
  EXPECT_EQ(
      read(
          R"({"max_tokens":8,"messages":[{"role":"user","content":[{"type":"image","source":{}}]}]})")
          .error()
          .param,
      "messages[0].content[0].type");
}

MessageOptions options() {
  return {.id = "msg_1", .model = "m", .seed = 42, .n_prompt_tokens = 7};
}

TEST_F(AnswerTest, AnthropicMessageIsWhole) {
  ChoiceAnswer choice{
      .text = "hello", .reasoning = "hm", .tool_calls = {{"t1", "get", R"({"a":1})"}}};
  choice.finish = FinishReason::stop;
  choice.usage = ended(FinishReason::stop).usage;
  EXPECT_EQ(message_answer(options(), choice, std::nullopt),
            Json::parse(R"({"id":"msg_1","type":"message",
    "role":"assistant","model":"m","content":[{"type":"thinking","thinking":"hm","signature":""},
    {"type":"text","text":"hello"},{"type":"tool_use","id":"t1","name":"get","input":{"a":1}}],
    "stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":0,
    "cache_read_input_tokens":4,"output_tokens":2},"seed":42})"));
}

TEST_F(AnswerTest, AnthropicStreamHasItsEventsInOrder) {
  MessageStream stream(options(), StopFinder({}, texts()));
  std::string text = stream.add(said("hm", Kind::reasoning));
  text += stream.add(said("hel"));
  text += stream.add(said("lo"));
  text += stream.add(called("get", {R"({"a":)", "1}"}));
  text += stream.add(ended(FinishReason::stop));
  text += stream.end();
  const std::vector<Json> events = test::named_events(text);
  EXPECT_EQ(
      test::types_of(events),
      (std::vector<std::string>{"message_start", "ping", "content_block_start",
                                "content_block_delta", "content_block_stop", "content_block_start",
                                "content_block_delta", "content_block_delta", "content_block_stop",
                                "content_block_start", "content_block_delta", "content_block_delta",
                                "content_block_stop", "message_delta", "message_stop"}));
  EXPECT_EQ(events[0]["message"]["usage"]["input_tokens"], 7);
  EXPECT_EQ(events[3]["delta"], Json::parse(R"({"type":"thinking_delta","thinking":"hm"})"));
  EXPECT_EQ(events[6]["index"], 1);
  EXPECT_EQ(events[6]["delta"], Json::parse(R"({"type":"text_delta","text":"hel"})"));
  EXPECT_EQ(events[9]["content_block"]["name"], "get");
  EXPECT_EQ(events[10]["delta"],
            Json::parse(R"({"type":"input_json_delta","partial_json":"{\"a\":"})"));
  EXPECT_EQ(events[13]["delta"], Json::parse(R"({"stop_reason":"tool_use","stop_sequence":null})"));
  EXPECT_EQ(events[13]["usage"]["output_tokens"], 2);
}

TEST_F(AnswerTest, AnthropicSaysWhichStopSequenceItWas) {
  StopFinder stops({"xx", "lo wo"}, texts());
  GenerationEvent first = said("hel");
  first.token->bytes = "hello";
  GenerationEvent second = said(" w");
  second.token->bytes = " world";
  GenerationEvent last = ended(FinishReason::stop);
  last.token.reset();  // the token that completed the string came before
  stops.add(first);
  stops.add(second);
  EXPECT_EQ(stops.matched(), std::nullopt);
  stops.add(last);
  EXPECT_EQ(stops.matched(), "lo wo");
}

// What came before min_tokens ended nothing.
TEST_F(AnswerTest, AnthropicTellsTheStopSequenceOfTheLastTokenOnly) {
  StopFinder stops({"ab", "cdefgh"}, texts());
  for (const char* bytes : {"abcde", "fgh"}) {
    stops.add({.token = token(kHello, bytes)});
  }
  GenerationEvent last = ended(FinishReason::stop);
  last.token.reset();
  stops.add(last);
  EXPECT_EQ(stops.matched(), "cdefgh");
}

TEST_F(AnswerTest, AnthropicAnEndOfItsOwnIsNoStopSequence) {
  StopFinder stops({"hello"}, texts());
  stops.add(ended(FinishReason::stop));
  EXPECT_EQ(stops.matched(), std::nullopt);
  EXPECT_EQ(stop_reason(FinishReason::stop, false, false), "end_turn");
  EXPECT_EQ(stop_reason(FinishReason::length, true, false), "max_tokens");
  EXPECT_EQ(stop_reason(FinishReason::stop, false, true), "stop_sequence");
}

}  // namespace
}  // namespace quern::server
