// Ollama's requests and answers. Source: Ollama's docs/api.md ("Generate a completion", "Generate a
// chat completion") and docs/modelfile.md; durations as Go's time.ParseDuration reads them.
#include <gtest/gtest.h>

#include <string>

#include "engine/model_manager.h"
#include "server/ollama_answer.h"
#include "server/ollama_call.h"
#include "server/ollama_embed.h"
#include "server/ollama_models.h"
#include "server/ollama_time.h"
#include "unit/server/answer_maker.h"

namespace quern::server {
namespace {

using test::AnswerTest;

TEST(OllamaTime, DurationsAreGosAndSecondsWithoutAUnit) {
  EXPECT_EQ(parse_keep_alive_ms("5m"), 300'000);
  EXPECT_EQ(parse_keep_alive_ms("1h30m"), 5'400'000);
  EXPECT_EQ(parse_keep_alive_ms("1.5s"), 1'500);
  EXPECT_EQ(parse_keep_alive_ms("250ms"), 250);
  EXPECT_EQ(parse_keep_alive_ms("2000\u00B5s"), 2);
  EXPECT_EQ(parse_keep_alive_ms("300"), 300'000);
  EXPECT_EQ(parse_keep_alive_ms("0"), 0);
  EXPECT_EQ(parse_keep_alive_ms("-1"), kKeepForever);
  EXPECT_EQ(parse_keep_alive_ms("-5m"), kKeepForever);
  EXPECT_EQ(keep_alive_ms_of(-1), kKeepForever);
  EXPECT_EQ(keep_alive_ms_of(0.5), 500);
}

TEST(OllamaTime, WhatIsNoDurationIsNone) {
  for (const char* text :
       {"", "-", "m", "5x", "1h30", ".", "1.2.3s", "5 m", "1e3", "nan", "0x10"}) {
    EXPECT_EQ(parse_keep_alive_ms(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_keep_alive_ms(std::string(65, '1')), std::nullopt);
}

TEST(OllamaTime, PointsInTimeHaveNanoseconds) {
  // 2023-08-04T19:22:45Z is 1691176965 seconds after 1970.
  const WallTime time{std::chrono::nanoseconds(1'691'176'965'000'000'042)};
  EXPECT_EQ(rfc3339(time), "2023-08-04T19:22:45.000000042Z");
  EXPECT_EQ(rfc3339(WallTime{}), "1970-01-01T00:00:00.000000000Z");
}

TEST(OllamaModels, SizesAreShort) {
  EXPECT_EQ(parameter_size(134'515'008), "134.52M");
  EXPECT_EQ(parameter_size(8'030'261'312), "8.03B");
  EXPECT_EQ(parameter_size(0), "");
  const std::string hex(64, 'a');
  EXPECT_EQ(model_digest("/m/blobs/sha256-" + hex), hex);
  EXPECT_EQ(model_digest("/nowhere/x.gguf").size(), 64U);
}

TEST(OllamaRequest, GenerateReadsItsOptions) {
  const auto call =
      read_generate_call(R"({"model":"m","prompt":"hi","system":"be kind","stream":false,
    "keep_alive":"10m","context":[1,2,3],"options":{"temperature":0.5,"top_k":3,"top_p":0.5,"min_p":0.1,
    "typical_p":0.7,"repeat_last_n":33,"repeat_penalty":1.5,"presence_penalty":1.5,"frequency_penalty":1.0,
    "mirostat":2,"mirostat_tau":0.8,"mirostat_eta":0.6,"seed":42,"num_predict":100,"num_ctx":1024,
    "stop":["\n","user:"],"num_keep":5,"numa":false,"num_batch":2,"num_gpu":1,"main_gpu":0,"use_mmap":true,
    "num_thread":8,"penalize_newline":true}})");
  ASSERT_TRUE(call) << call.error().message;
  const OllamaFields& fields = call->fields;
  EXPECT_FALSE(fields.stream);
  EXPECT_EQ(fields.max_tokens, 100U);
  EXPECT_EQ(fields.n_context, 1024U);
  EXPECT_EQ(fields.keep_alive_ms, 600'000);
  EXPECT_EQ(fields.stop, (std::vector<std::string>{"\n", "user:"}));
  EXPECT_EQ(fields.sampling.seed, 42);
  EXPECT_EQ(fields.sampling.top_k, 3);
  EXPECT_EQ(fields.sampling.penalty_last_n, 33);
  EXPECT_EQ(fields.sampling.repetition_penalty, 1.5F);
  EXPECT_EQ(fields.sampling.mirostat, Mirostat::v2);
  EXPECT_EQ(call->context.size(), 3U);
  EXPECT_EQ(call->input.messages.items().size(), 2U);
  EXPECT_FALSE(call->only_loads);
}

TEST(OllamaRequest, StreamsUnlessToldOtherwiseAndAnEmptyPromptLoads) {
  const auto call =
      read_generate_call(R"({"model":"m","format":"","images":[],"options":{"num_predict":-1}})");
  ASSERT_TRUE(call);
  EXPECT_TRUE(call->fields.stream);
  EXPECT_TRUE(call->only_loads);
  EXPECT_EQ(call->fields.max_tokens, 0U);
  const auto chat = read_ollama_chat_call(R"({"model":"m","messages":[],"keep_alive":0})");
  ASSERT_TRUE(chat);
  EXPECT_TRUE(chat->only_loads);
  EXPECT_EQ(chat->fields.keep_alive_ms, 0);
}

// The field at fault.
std::string fault_of(std::string_view generate) {
  const auto call = read_generate_call(generate);
  return call ? "" : call.error().param;
}

TEST(OllamaRequest, WhatIsNotSupportedIsRefusedByName) {
  EXPECT_EQ(fault_of(R"({"format":"json"})"), "format");
  EXPECT_EQ(fault_of(R"({"format":{"type":"object"}})"), "format");
  EXPECT_EQ(fault_of(R"({"images":["AAAA"]})"), "images");
  EXPECT_EQ(fault_of(R"({"suffix":"end"})"), "suffix");
  EXPECT_EQ(fault_of(R"({"template":"{{ .Prompt }}"})"), "template");
  EXPECT_EQ(fault_of(R"({"options":{"mirostat":1}})"), "options.mirostat");
  EXPECT_EQ(fault_of(R"({"options":{"temperature":-1}})"), "options.temperature");
  EXPECT_EQ(fault_of(R"({"options":{"tfs_z":0.5}})"), "options.tfs_z");
  EXPECT_EQ(fault_of(R"({"keep_alive":"soon"})"), "keep_alive");
  EXPECT_EQ(fault_of(R"({"think":"very"})"), "think");
  EXPECT_EQ(fault_of(R"({"raw":true,"system":"x","prompt":"y"})"), "system");
  const auto chat =
      read_ollama_chat_call(R"({"messages":[{"role":"user","content":"x","images":["AA"]}]})");
  ASSERT_FALSE(chat);
  EXPECT_EQ(chat.error().param, "messages[0].images");
}

TEST(OllamaRequest, ToolCallsComeBackWithObjectArguments) {
  const auto call = read_ollama_chat_call(R"({"model":"m","think":true,"messages":[
    {"role":"user","content":"weather?"},
    {"role":"assistant","content":"","thinking":"hm","tool_calls":[{"function":{"name":"get","arguments":{"city":"Rome"}}}]},
    {"role":"tool","tool_name":"get","content":"11 degrees"}],
    "tools":[{"type":"function","function":{"name":"get","description":"d","parameters":{"type":"object","properties":{}}}}]})");
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_EQ(call->input.reasoning_field, "think");
  EXPECT_EQ(call->input.tool_names, std::vector<std::string>{"get"});
  const auto& messages = call->input.messages.items();
  ASSERT_EQ(messages.size(), 3U);
  const jinja::Value& calls = *messages[1].entries().find("tool_calls");
  const jinja::Value& function = *calls.items()[0].entries().find("function");
  EXPECT_EQ(function.entries().find("arguments")->entries().find("city")->text(), "Rome");
  EXPECT_EQ(messages[2].entries().find("name")->text(), "get");
}

TEST(OllamaRequest, EmbedTakesOneTextOrSeveral) {
  EXPECT_EQ(read_embed_call(R"({"model":"m","input":"a"})")->wanted.inputs.size(), 1U);
  EXPECT_EQ(
      read_embed_call(R"({"model":"m","input":["a","b"],"dimensions":2})")->wanted.inputs.size(),
      2U);
  EXPECT_EQ(read_old_embed_call(R"({"model":"m","prompt":"a"})")->wanted.inputs.size(), 1U);
  EXPECT_TRUE(read_embed_call(R"({"model":"m","input":""})")->wanted.inputs.empty());
  EXPECT_TRUE(read_old_embed_call(R"({"model":"m","prompt":""})")->wanted.inputs.empty());
  EXPECT_FALSE(read_embed_call(R"({"model":"m","input":[1]})"));
  EXPECT_FALSE(read_embed_call(R"({"model":"m"})"));
}

OllamaAnswerOptions options() {
  return {.model = "m", .seed = 42, .arrival_us = 500, .load_us = 3};
}

TEST_F(AnswerTest, OllamaGenerateEndsWithNumbersAndContext) {
  OllamaAnswerOptions how = options();
  how.context = {kHello};
  OllamaAnswer answer(how, texts());
  answer.add(said("hi "));
  answer.add(said("there"));
  answer.add(ended(FinishReason::stop));
  Json body = answer.end(10'500);
  EXPECT_EQ(body["created_at"].get<std::string>().size(), 30U);
  body.erase("created_at");
  EXPECT_EQ(body,
            Json::parse(R"({"model":"m","response":"hi there","done":true,"done_reason":"stop",
    "context":[259,259,259,2],"total_duration":10000000,"load_duration":3000,"prompt_eval_count":7,
    "prompt_eval_duration":2000000,"eval_count":2,"eval_duration":4000000,"cached_count":4,"seed":42})"));
}

TEST_F(AnswerTest, OllamaChatStreamsThinkingThenContent) {
  OllamaAnswerOptions how = options();
  how.is_chat = true;
  OllamaAnswer answer(how, texts());
  EXPECT_FALSE(answer.has_piece());
  answer.add(said("hm", test::Kind::reasoning));
  ASSERT_TRUE(answer.has_piece());
  Json piece = answer.take();
  EXPECT_EQ(piece["message"], Json::parse(R"({"role":"assistant","content":"","thinking":"hm"})"));
  EXPECT_EQ(piece["done"], false);
  EXPECT_FALSE(answer.has_piece());
  answer.add(said("yes"));
  EXPECT_EQ(answer.take()["message"], Json::parse(R"({"role":"assistant","content":"yes"})"));
  answer.add(ended(FinishReason::length));
  const Json last = answer.end(10'500);
  EXPECT_EQ(last["message"], Json::parse(R"({"role":"assistant","content":""})"));
  EXPECT_EQ(last["done_reason"], "length");
  EXPECT_FALSE(last.contains("context"));
}

TEST_F(AnswerTest, OllamaToolCallsAreWholeWithObjects) {
  OllamaAnswerOptions how = options();
  how.is_chat = true;
  OllamaAnswer answer(how, texts());
  answer.add(called("get", {R"({"city":)", R"("Rome"})"}));
  const Json calls = answer.take()["message"]["tool_calls"];
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0]["function"],
            Json::parse(R"({"index":0,"name":"get","arguments":{"city":"Rome"}})"));
  EXPECT_FALSE(calls[0]["id"].get<std::string>().empty());
}

TEST_F(AnswerTest, OllamaACallWithoutAnObjectStaysText) {
  OllamaAnswerOptions how = options();
  how.is_chat = true;
  OllamaAnswer answer(how, texts());
  answer.add(called("get", {R"({"city":)"}));
  const Json message = answer.take()["message"];
  EXPECT_FALSE(message.contains("tool_calls"));
  EXPECT_EQ(message["content"], R"(get{"city":)");
}

TEST_F(AnswerTest, OllamaLogprobsComeWhereAskedFor) {
  OllamaAnswerOptions how = options();
  how.logprobs = true;
  OllamaAnswer answer(how, texts());
  answer.add(said("hello"));
  EXPECT_EQ(answer.take()["logprobs"], Json::parse(R"([{"token":"hello","logprob":-0.5,
    "bytes":[104,101,108,108,111],"top_logprobs":[{"token":"world","logprob":-0.25,"bytes":[119,111,114,108,100]}]}])"));
}

TEST(OllamaAnswer, LoadingSaysSo) {
  Json body = ollama_empty_answer({.model = "m"}, "load");
  body.erase("created_at");
  EXPECT_EQ(body, Json::parse(R"({"model":"m","response":"","done":true,"done_reason":"load"})"));
  body = ollama_empty_answer({.model = "m", .is_chat = true}, "unload");
  body.erase("created_at");
  EXPECT_EQ(body, Json::parse(R"({"model":"m","message":{"role":"assistant","content":""},
    "done":true,"done_reason":"unload"})"));
}

}  // namespace
}  // namespace quern::server
