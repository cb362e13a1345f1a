// The shapes of OpenAI's answers. Source: OpenAI's API reference, "The chat completion object",
// "The chat completion chunk object", "The completion object", "Create embeddings".
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "server/openai_chat.h"
#include "server/openai_completions.h"
#include "server/openai_embeddings.h"
#include "unit/server/answer_maker.h"

namespace quern::server {
namespace {

using test::Kind;

class OpenAiAnswer : public test::AnswerTest {
 protected:
  static RequestUsage usage() {
    return {.prompt_tokens = 7, .cached_tokens = 4, .completion_tokens = 2};
  }
  static AnswerHead head() { return {.id = "id-1", .created = 5, .model = "m", .seed = 42}; }
};

// The JSON of each event; the last one is no JSON.
std::vector<Json> events_of(const std::string& stream) {
  std::vector<Json> events;
  size_t at = 0;
  while (at < stream.size()) {
    const size_t end = stream.find("\n\n", at);
    EXPECT_NE(end, std::string::npos);
    EXPECT_EQ(stream.substr(at, 6), "data: ");
    const std::string data = stream.substr(at + 6, end - at - 6);
    events.push_back(data == "[DONE]" ? Json(data) : Json::parse(data));
    at = end + 2;
  }
  return events;
}

TEST_F(OpenAiAnswer, ChatIsWhole) {
  ChoiceAnswer choice{.text = "hello", .tokens = {token(kHello, "hello"), token(kEnd, "")}};
  choice.finish = FinishReason::stop;
  choice.usage = usage();
  Json body = chat_answer({.head = head(), .logprobs = true}, {choice}, texts());
  EXPECT_TRUE(body["system_fingerprint"].is_string());
  body.erase("system_fingerprint");
  EXPECT_EQ(body, Json::parse(
                      R"({"id":"id-1","object":"chat.completion","created":5,"model":"m","seed":42,
    "choices":[{"index":0,"message":{"role":"assistant","content":"hello","refusal":null},
      "logprobs":{"content":[{"token":"hello","logprob":-0.5,"bytes":[104,101,108,108,111],
        "top_logprobs":[{"token":"world","logprob":-0.25,"bytes":[119,111,114,108,100]}]}],"refusal":null},
      "finish_reason":"stop"}],
    "usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9,
      "prompt_tokens_details":{"cached_tokens":4}}})"));
}

TEST_F(OpenAiAnswer, ChatWithToolCallsAndReasoning) {
  ChoiceAnswer choice{.reasoning = "hm", .tool_calls = {{"abc", "f", "{\"a\":1}"}}};
  choice.finish = FinishReason::stop;
  const Json body = chat_answer({.head = head()}, {choice}, texts());
  EXPECT_EQ(body["choices"][0],
            Json::parse(R"({"index":0,"message":{"role":"assistant","content":null,
    "refusal":null,"reasoning_content":"hm","tool_calls":[{"id":"abc","type":"function",
    "function":{"name":"f","arguments":"{\"a\":1}"}}]},"logprobs":null,"finish_reason":"tool_calls"})"));
}

TEST_F(OpenAiAnswer, ChatStreamsInChunks) {
  ChatStream stream({.head = head(), .include_usage = true}, 1, texts());
  std::string text = stream.add({.deltas = {{.kind = Kind::content, .text = "hel"}}});
  text += stream.add({.token = token(kHello, "")});  // nothing to show
  text += stream.add({.deltas = {{.kind = Kind::content, .text = "lo"}},
                      .finish = FinishReason::length,
                      .usage = usage()});
  text += stream.end();
  const std::vector<Json> events = events_of(text);
  ASSERT_EQ(events.size(), 6U);
  EXPECT_EQ(events[0]["object"], "chat.completion.chunk");
  EXPECT_EQ(events[0]["seed"], 42);
  EXPECT_TRUE(events[0]["usage"].is_null() && events[0].contains("usage"));
  const auto choice = [&](size_t i) { return events[i]["choices"][0]; };
  EXPECT_EQ(choice(0), Json::parse(R"({"index":0,"delta":{"role":"assistant","content":""},
    "logprobs":null,"finish_reason":null})"));
  EXPECT_EQ(choice(1)["delta"], Json::parse(R"({"content":"hel"})"));
  EXPECT_EQ(choice(2)["delta"], Json::parse(R"({"content":"lo"})"));
  EXPECT_EQ(choice(3),
            Json::parse(R"({"index":0,"delta":{},"logprobs":null,"finish_reason":"length"})"));
  EXPECT_EQ(events[4]["choices"], Json::array());
  EXPECT_EQ(events[4]["usage"]["total_tokens"], 9);
  EXPECT_EQ(events[5], "[DONE]");
}

TEST_F(OpenAiAnswer, ToolCallsStreamAsDeltas) {
  ChatStream stream({.head = head(), .one_tool_call = true}, 1, texts());
  std::string text = stream.add({.deltas = {{.kind = Kind::tool_call_begin, .text = "f"}}});
  text += stream.add({.deltas = {{.kind = Kind::tool_call_arguments, .text = "{}"},
                                 {.kind = Kind::tool_call_end, .text = {}},
                                 {.kind = Kind::tool_call_begin, .tool_index = 1, .text = "g"}},
                      .finish = FinishReason::stop});
  const std::vector<Json> events = events_of(text);
  ASSERT_EQ(events.size(), 4U);
  Json begin = events[1]["choices"][0]["delta"]["tool_calls"];
  EXPECT_EQ(begin[0]["id"].get<std::string>().size(), 9U);
  begin[0].erase("id");
  EXPECT_EQ(
      begin,
      Json::parse(R"([{"index":0,"type":"function","function":{"name":"f","arguments":""}}])"));
  EXPECT_EQ(events[2]["choices"][0]["delta"],
            Json::parse(R"({"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]})"));
  EXPECT_EQ(events[3]["choices"][0]["finish_reason"], "tool_calls");
}

TEST_F(OpenAiAnswer, StreamedLogprobsWaitForTheirText) {
  ChatStream stream({.head = head(), .logprobs = true}, 1, texts());
  std::string text = stream.add({.token = token(kHello, "hello")});
  text += stream.add(
      {.deltas = {{.kind = Kind::content, .text = "helloworld"}}, .token = token(kWorld, "world")});
  text += stream.add({.token = token(kEnd, ""), .finish = FinishReason::stop});
  const std::vector<Json> events = events_of(text);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[1]["choices"][0]["logprobs"]["content"].size(), 2U);
  EXPECT_TRUE(events[2]["choices"][0]["logprobs"].is_null());
}

TEST_F(OpenAiAnswer, DeadlinesAndCancelsEndAStreamCleanly) {
  EXPECT_EQ(openai_finish(FinishReason::timeout, false), "timeout");
  EXPECT_EQ(openai_finish(FinishReason::cancelled, true), "cancelled");
  EXPECT_EQ(openai_finish(FinishReason::length, true), "length");
}

TEST_F(OpenAiAnswer, CompletionHasFourListsOfLogprobs) {
  ChoiceAnswer choice{
      .text = "helloworld",
      .tokens = {token(kHello, "h\u00e9llo"), token(kWorld, "world"), token(kEnd, "")}};
  choice.finish = FinishReason::stop;
  const Json body =
      completion_answer({.head = head(), .logprobs = true, .echo = {"Say: "}}, {{choice}}, texts());
  EXPECT_EQ(body["object"], "text_completion");
  EXPECT_EQ(body["choices"][0], Json::parse(R"({"text":"Say: helloworld","index":0,"logprobs":{
    "tokens":["héllo","world"],"token_logprobs":[-0.5,-0.5],
    "top_logprobs":[{"world":-0.25},{"world":-0.25}],"text_offset":[0,5]},"finish_reason":"stop"})"));
}

// OpenAI spells a token that is no text by itself "bytes:\\xf0\\x9f". Byte b is the token 3 + b of
// the Llama vocabulary that the fixture makes.
TEST_F(OpenAiAnswer, CompletionLogprobsTellPartsOfCharactersApart) {
  const auto byte_token = [](int32_t byte, std::string bytes) {
    TokenInfo info = token(TokenId{3 + byte}, std::move(bytes));
    info.top = {{TokenId{3 + 0xF0}, -0.5F}, {TokenId{3 + 0xE2}, -1.0F}, {TokenId{3 + 'a'}, -2.0F}};
    return info;
  };
  ChoiceAnswer choice{
      .text = "é\U0001F600a",
      .tokens = {token(kHello, "é"), byte_token(0xF0, "\xF0"), byte_token(0x9F, "\x9F"),
                 byte_token(0x98, "\x98"), byte_token(0x80, "\x80"), byte_token('a', "a")}};
  choice.finish = FinishReason::length;
  const Json body = completion_answer({.head = head(), .logprobs = true}, {{choice}}, texts());
  const Json& logprobs = body["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["tokens"],
            Json::parse(R"(["é","bytes:\\xf0","bytes:\\x9f","bytes:\\x98","bytes:\\x80","a"])"));
  EXPECT_EQ(logprobs["top_logprobs"][1],
            Json::parse(R"({"bytes:\\xf0":-0.5,"bytes:\\xe2":-1.0,"a":-2.0})"));
  EXPECT_EQ(logprobs["text_offset"], Json::parse("[0,1,1,1,1,2]"));
}

TEST_F(OpenAiAnswer, CompletionLogprobsKeepTheLikelierOfTwoThatSpellTheSame) {
  TokenInfo info = token(kHello, "hello");
  info.top = {{kHello, -0.5F}, {kHello, -3.0F}};
  CompletionLogprobs logprobs;
  logprobs.add(info, texts());
  EXPECT_EQ(logprobs.take()["top_logprobs"], Json::parse(R"([{"hello":-0.5}])"));
}

TEST_F(OpenAiAnswer, CompletionChoicesAreCountedOverPrompts) {
  CompletionStream stream({.head = head(), .n = 2}, 2, texts());
  const std::string text = stream.add(
      1, {.choice = 1, .deltas = {{.text = "x"}}, .finish = FinishReason::stop, .usage = usage()});
  const std::vector<Json> events = events_of(text);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["choices"][0], Json::parse(R"({"text":"x","index":3,"logprobs":null,
    "finish_reason":"stop"})"));
}

TEST_F(OpenAiAnswer, BestOfRanksByMeanLogprob) {
  const ChoiceAnswer low{.text = "low", .tokens = {{.logprob = -3.0F}, {.logprob = -1.0F}}};
  const ChoiceAnswer high{.text = "high",
                          .tokens = {{.logprob = -1.5F}, {.logprob = -1.5F}, {.logprob = -1.5F}}};
  const auto best = best_choices({low, high}, 1);
  ASSERT_EQ(best.size(), 1U);
  EXPECT_EQ(best[0].text, "high");
}

TEST(CompletionRequest, TakesEveryFormOfPrompt) {
  const auto n_prompts = [](const std::string& prompt) {
    const auto call = read_completion_call(R"({"prompt":)" + prompt + "}");
    return call ? static_cast<int>(call->prompts.size()) : -1;
  };
  EXPECT_EQ(n_prompts(R"("a")"), 1);
  EXPECT_EQ(n_prompts(R"(["a","b"])"), 2);
  EXPECT_EQ(n_prompts("[1,2,3]"), 1);
  EXPECT_EQ(n_prompts("[[1,2],[3]]"), 2);
  for (const char* prompt : {"null", "7", "[]", "[[]]", R"(["a",1])", R"([1,"a"])", "[[1],2]",
                             "[-1]", "[[1.5]]", "{}", "true"}) {
    EXPECT_EQ(n_prompts(prompt), -1) << prompt;
  }
}

TEST(CompletionRequest, NamesWhatIsAtFault) {
  const auto fault = [](const std::string& members) {
    const auto call = read_completion_call(R"({"prompt":"a",)" + members + "}");
    return call ? "none" : call.error().param;
  };
  EXPECT_EQ(fault(R"("suffix":"b")"), "suffix");
  EXPECT_EQ(fault(R"("best_of":1,"n":2)"), "best_of");
  EXPECT_EQ(fault(R"("best_of":2,"stream":true)"), "best_of");
  EXPECT_EQ(fault(R"("logprobs":true)"), "logprobs");
  EXPECT_EQ(fault(R"("echo":true,"logprobs":1)"), "echo");
  EXPECT_EQ(fault(R"("echo":true)"), "none");
  EXPECT_EQ(fault(R"("min_tokens":17)"), "min_tokens") << "16 is the route's default limit";
  EXPECT_EQ(fault(R"("min_tokens":17,"max_tokens":17)"), "none");
  EXPECT_EQ(fault(R"("min_tokens":17,"n_predict":-1)"), "none");
  EXPECT_EQ(read_completion_call(R"({"prompt":"a"})")->fields.max_tokens, 16U);
}

// The names and what turns them off: vLLM's SamplingParams and llama-server's README.
TEST(CompletionRequest, RefusesByNameWhatWouldChangeTheAnswer) {
  const auto code = [](const std::string& members) {
    const auto call = read_completion_call(R"({"prompt":"a",)" + members + "}");
    return call ? "none" : call.error().param + " " + call.error().code;
  };
  for (const auto& [name, wish, off] : {std::tuple("bad_words", R"(["x"])", "[]"),
                                        {"allowed_token_ids", "[1]", "null"},
                                        {"include_stop_str_in_output", "true", "false"},
                                        {"skip_special_tokens", "false", "true"},
                                        {"prompt_embeds", R"("AAAA")", "null"},
                                        {"samplers", R"(["top_k"])", "[]"},
                                        {"n_probs", "3", "0"},
                                        {"t_max_predict_ms", "100", "0"},
                                        {"length_penalty", "1.5", "1.0"},
                                        {"dry_sequence_breakers", R"(["x"])", "[]"},
                                        {"mirostat", "1", "0"},
                                        {"modalities", R"(["audio"])", R"(["text"])"}}) {
    const std::string member = std::string("\"") + name + "\":";
    EXPECT_EQ(code(member + wish), std::string(name) + " unsupported");
    EXPECT_EQ(code(member + off), "none") << name;
  }
  EXPECT_EQ(code(R"("echo":true,"logprobs":1)"), "echo unsupported");
  EXPECT_EQ(code(R"("response_format":{"type":"json_object"})"),
            "response_format.type unsupported");
  EXPECT_EQ(code(R"("n_predict":0)"), "n_predict invalid_value");
}

TEST(CompletionRequest, TakesLlamaServersNames) {
  const auto call = read_completion_call(R"({"prompt":"a","typical_p":0.5,"top_n_sigma":1.5,
    "xtc_probability":0.25,"xtc_threshold":0.125,"dry_multiplier":0.75,"dry_base":2,
    "dry_allowed_length":3,"dry_penalty_last_n":64,"mirostat":2,"mirostat_tau":4,"mirostat_eta":0.5,
    "dynatemp_range":0.5,"dynatemp_exponent":2,"repeat_penalty":1.5,"repeat_last_n":32,
    "n_predict":7})");
  ASSERT_TRUE(call) << call.error().message;
  const SamplingFields& sampling = call->fields.sampling;
  EXPECT_EQ(sampling.typical_p, 0.5F);
  EXPECT_EQ(sampling.top_n_sigma, 1.5F);
  EXPECT_EQ(sampling.xtc_probability, 0.25F);
  EXPECT_EQ(sampling.xtc_threshold, 0.125F);
  EXPECT_EQ(sampling.dry_multiplier, 0.75F);
  EXPECT_EQ(sampling.dry_base, 2.0F);
  EXPECT_EQ(sampling.dry_allowed_length, 3);
  EXPECT_EQ(sampling.dry_penalty_last_n, 64);
  EXPECT_EQ(sampling.mirostat, Mirostat::v2);
  EXPECT_EQ(sampling.mirostat_tau, 4.0F);
  EXPECT_EQ(sampling.mirostat_eta, 0.5F);
  EXPECT_EQ(sampling.dynatemp_range, 0.5F);
  EXPECT_EQ(sampling.dynatemp_exponent, 2.0F);
  EXPECT_EQ(sampling.repetition_penalty, 1.5F);
  EXPECT_EQ(sampling.penalty_last_n, 32);
  EXPECT_EQ(call->fields.max_tokens, 7U);
  const auto both = read_completion_call(
      R"({"prompt":"a","repeat_penalty":1.5,"repetition_penalty":1.25,"n_predict":7,"max_tokens":8})");
  EXPECT_EQ(both->fields.sampling.repetition_penalty, 1.25F);
  EXPECT_EQ(both->fields.max_tokens, 8U);
  for (const char* member :
       {R"("typical_p":0)", R"("xtc_probability":1.5)", R"("xtc_threshold":-1)",
        R"("dry_multiplier":-1)", R"("dry_base":0.5)", R"("dry_allowed_length":-1)",
        R"("dry_penalty_last_n":-2)", R"("mirostat":3)", R"("mirostat_tau":-1)",
        R"("dynatemp_range":-1)", R"("repeat_penalty":0)", R"("repeat_last_n":-2)",
        R"("n_predict":-2)", R"("top_n_sigma":"x")"}) {
    const auto bad = read_completion_call(std::string(R"({"prompt":"a",)") + member + "}");
    ASSERT_FALSE(bad) << member;
    EXPECT_TRUE(std::string(member).starts_with("\"" + bad.error().param + "\"")) << member;
  }
}

// RFC 4648, section 10, and IEEE 754: 1.0 is 00 00 80 3f, -2.0 is 00 00 00 c0.
TEST(Embeddings, AreFloatsOrBase64) {
  const std::vector<float> values = {1.0F, -2.0F};
  EXPECT_EQ(base64_floats(values), "AACAPwAAAMA=");
  EXPECT_EQ(base64_floats(std::vector<float>{1.0F}), "AACAPw==");
  const Embeddings made{.vectors = {values}, .n_prompt_tokens = 3};
  const auto body = embeddings_answer({}, "m", made);
  ASSERT_TRUE(body.has_value());
  EXPECT_EQ(*body, Json::parse(R"({"object":"list","data":[{"object":"embedding","index":0,
    "embedding":[1.0,-2.0]}],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}})"));
  EXPECT_FALSE(embeddings_answer({.dimensions = 3}, "m", made).has_value());
}

}  // namespace
}  // namespace quern::server
