// Tool calls in each style. The answers are written after the formats' published descriptions,
// which are named at each; the expected lines are what an OpenAI client would be sent for them.
#include <gtest/gtest.h>

#include "unit/text/answer_lines.h"

namespace quern::test {
namespace {

Lines hermes(std::string_view answer) {
  return lines_of({.tools = ToolStyle::hermes}, answer);
}
Lines llama3(std::string_view answer) {
  return lines_of({.tools = ToolStyle::llama3, .tool_names = {"get_weather", "add"}}, answer);
}
Lines mistral(std::string_view answer) {
  return lines_of({.tools = ToolStyle::mistral}, answer);
}
Lines coder(std::string_view answer) {
  return lines_of({.tools = ToolStyle::qwen3_coder}, answer);
}
Lines glm(std::string_view answer) {
  return lines_of({.tools = ToolStyle::glm}, answer);
}
Lines deepseek(std::string_view answer) {
  return lines_of({.tools = ToolStyle::deepseek}, answer);
}

// Source: the Hermes-2-Pro model card, "Prompt Format for Function Calling", its example answer.
TEST(AnswerCalls, HermesCallOfTheModelCard) {
  EXPECT_EQ(
      hermes("<tool_call>\n{\"arguments\": {\"symbol\": \"TSLA\"}, \"name\": "
             "\"get_stock_fundamentals\"}\n</tool_call>"),
      (Lines{"call 0: get_stock_fundamentals", "arguments 0: {\"symbol\": \"TSLA\"}", "end 0"}));
}

// Source: the chat templates of Qwen2.5 and QwQ, which write a newline between content and calls.
TEST(AnswerCalls, HermesCallsAfterAndBeforeTextLoseTheSpaceAroundThem) {
  EXPECT_EQ(
      hermes("Let me look.\n\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": "
             "{\"city\": \"Zürich\", \"days\": 2}}\n</tool_call>\n<tool_call>\n{\"name\": "
             "\"add\", \"arguments\": {\"a\": [1, {\"b\": null}]}}\n</tool_call>\n\nDone. \n"),
      (Lines{"content: Let me look.", "call 0: get_weather",
             "arguments 0: {\"city\": \"Zürich\", \"days\": 2}", "end 0", "call 1: add",
             "arguments 1: {\"a\": [1, {\"b\": null}]}", "end 1", "content: Done. \n"}));
}

TEST(AnswerCalls, ArgumentsInAStringAreTakenOutOfIt) {
  EXPECT_EQ(hermes(R"(<tool_call>{"name":"f","arguments":"{\"a\": \"\u00fc\\n\ud83d\ude00\"}"})"
                   "</tool_call>"),
            (Lines{"call 0: f", "arguments 0: {\"a\": \"ü\\n😀\"}", "end 0"}));
  EXPECT_EQ(hermes(R"(<tool_call>{"arguments":" {\"a\": 1}","name":"f"}</tool_call>)"),
            (Lines{"call 0: f", "arguments 0:  {\"a\": 1}", "end 0"}));
}

TEST(AnswerCalls, AStringThatHoldsNoObjectStaysAString) {
  EXPECT_EQ(hermes(R"(<tool_call>{"name":"f","arguments":"Z\u00fcrich"}</tool_call>)"),
            (Lines{"call 0: f", "arguments 0: \"Z\\u00fcrich\"", "end 0"}));
}

TEST(AnswerCalls, NoArgumentsAreAnEmptyObject) {
  const Lines expected = {"call 0: f", "arguments 0: {}", "end 0"};
  EXPECT_EQ(hermes(R"(<tool_call>{"name":"f"}</tool_call>)"), expected);
  EXPECT_EQ(hermes(R"(<tool_call>{"name":"f","arguments":null}</tool_call>)"), expected);
  EXPECT_EQ(hermes(R"(<tool_call>{"name":"f","arguments":" "}</tool_call>)"), expected);
  EXPECT_EQ(hermes(R"(<tool_call>{"name":"f","parameters":{}}</tool_call>)"), expected);
}

TEST(AnswerCalls, OtherMembersAndRepeatedOnesDoNotMatter) {
  EXPECT_EQ(
      hermes("<tool_call>{\"type\": \"function\", \"x\": {\"name\": \"no\"}, \"name\": \"f\", "
             "\"n\": -1.5e3, \"arguments\": {\"a\": 1}, \"name\": \"g\", \"arguments\": {}, "
             "\"id\": 7}</tool_call>"),
      (Lines{"call 0: f", "arguments 0: {\"a\": 1}", "end 0"}));
}

// RFC 8259, section 7: control characters in strings must be escaped.
TEST(AnswerCalls, AControlCharacterInAStringIsEscaped) {
  EXPECT_EQ(
      hermes("<tool_call>{\"name\":\"f\",\"arguments\":{\n\"code\":\"a\n\tb\x01\"}}</tool_call>"),
      (Lines{"call 0: f", "arguments 0: {\n\"code\":\"a\\n\\tb\\u0001\"}", "end 0"}));
}

TEST(AnswerCalls, WhatCannotBeACallIsContent) {
  for (const char* answer :
       {"Use <tool_call> for that.", "<tool_call>\nnot json</tool_call> x", "<tool_call>",
        "a <tool_call>\n{\"name\": \"f\"", "<tool_call>{\"name\": 5}</tool_call>",
        "<tool_call>{\"name\": \"\"}</tool_call>", "<tool_call>{\"arguments\": {}}</tool_call>",
        "<tool_call>{\"name\": \"f\" \"arguments\": {}}</tool_call>", "a <tool", "a \n ",
        "<tool_call>{\"arguments\": {\"a\": 1}", "<tool_call>[1]", "1 < 2 <<tool_cal>"}) {
    EXPECT_EQ(hermes(answer), Lines{std::string("content: ") + answer});
  }
}

TEST(AnswerCalls, ACallAfterAFailedOneIsFound) {
  EXPECT_EQ(hermes("<tool_call><tool_call>{\"name\":\"f\"}</tool_call>"),
            (Lines{"content: <tool_call>", "call 0: f", "arguments 0: {}", "end 0"}));
}

TEST(AnswerCalls, MalformedArgumentsAreHandedOnUpToTheEndMarker) {
  EXPECT_EQ(hermes("<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1,}}</tool_call> x"),
            (Lines{"call 0: f", "arguments 0: {\"a\":1,}}", "end 0", "content: x"}));
  EXPECT_EQ(hermes("<tool_call>{\"name\":\"f\",\"arguments\":nothing}</tool_call>"),
            (Lines{"call 0: f", "arguments 0: nothing}", "end 0"}));
}

TEST(AnswerCalls, AMissingLastBraceOrEndMarkerIsForgiven) {
  EXPECT_EQ(hermes("<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}</tool_call>"
                   "<tool_call>{\"name\":\"g\",\"arguments\":{}}\n<tool_call>{\"name\":\"h\"}"),
            (Lines{"call 0: f", "arguments 0: {\"a\":1}", "end 0", "call 1: g", "arguments 1: {}",
                   "end 1", "call 2: h", "arguments 2: {}", "end 2"}));
}

TEST(AnswerCalls, AnAnswerThatEndsWithinACallEndsIt) {
  EXPECT_EQ(hermes("<tool_call>{\"name\":\"f\",\"arguments\":{\"a\": \"b"),
            (Lines{"call 0: f", "arguments 0: {\"a\": \"b", "end 0"}));
}

// Sources: the chat templates of Apriel 1.5 (<tool_calls>[..]), Nemotron Nano v2 (<TOOLCALL>[..]),
// Granite 3.3 (<|tool_call|>[..]) and MiniMax-M1 (<tool_calls>, one object a line).
TEST(AnswerCalls, AnAnswerThatEndsWithinArgumentsEndsTheCallInEveryStyle) {
  const Lines cut{"call 0: f", "arguments 0: {\"a\": [1", "end 0"};
  EXPECT_EQ(mistral("[TOOL_CALLS]f[ARGS]{\"a\": [1"), cut);
  EXPECT_EQ(coder("<function=f>{\"a\": [1"), cut);
  EXPECT_EQ(deepseek("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": [1"), cut);
}

TEST(AnswerCalls, HermesLists) {
  const Lines expected = {"call 0: f", "arguments 0: {\"a\": 1}", "end 0",
                          "call 1: g", "arguments 1: {}",         "end 1"};
  const std::string f = R"({"name": "f", "arguments": {"a": 1}})";
  const std::string g = R"({"name": "g", "arguments": {}})";
  EXPECT_EQ(hermes("<tool_calls>[" + f + ", " + g + "]</tool_calls>"), expected);
  EXPECT_EQ(hermes("<TOOLCALL>[" + f + ", " + g + "]</TOOLCALL>"), expected);
  EXPECT_EQ(hermes("<|tool_call|>[" + f + ", " + g + "]"), expected);
  EXPECT_EQ(hermes("<tool_calls>\n" + f + "\n" + g + "\n</tool_calls>"), expected);
}

// Source: Llama 3.1 model card and prompt formats, "JSON based tool calling".
TEST(AnswerCalls, Llama3Call) {
  EXPECT_EQ(llama3("{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Menlo Park\"}}"),
            (Lines{"call 0: get_weather", "arguments 0: {\"city\": \"Menlo Park\"}", "end 0"}));
  EXPECT_EQ(llama3("\n<|python_tag|>{\"type\": \"function\", \"name\": \"add\", \"parameters\": "
                   "{\"a\": 1}}; {\"name\": \"add\", \"parameters\": {}}"),
            (Lines{"call 0: add", "arguments 0: {\"a\": 1}", "end 0", "call 1: add",
                   "arguments 1: {}", "end 1"}));
}

TEST(AnswerCalls, Llama3OtherAnswersAreContent) {
  for (const char* answer :
       {"{\"name\": \"Bob\", \"parameters\": {}}", "{\"age\": 5}", "{\"name\": \"add\"}",
        "Here: {\"name\": \"add\", \"parameters\": {}}", "[1]", "{", " { }",
        "<|python_tag|>print(\"hi\")", "{\"name\": \"add\", \"surname\": \"x\"}"}) {
    EXPECT_EQ(llama3(answer), Lines{std::string("content: ") + answer});
  }
}

// Source: mistral-common, tokenizer v3, as Mistral-Nemo's chat template writes it.
TEST(AnswerCalls, MistralList) {
  EXPECT_EQ(
      mistral("[TOOL_CALLS][{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}, "
              "\"id\": \"VvvODy9mT\"}, {\"name\": \"add\", \"arguments\": {\"a\": 1}}]"),
      (Lines{"call 0: get_weather", "arguments 0: {\"city\": \"Paris\"}", "end 0", "call 1: add",
             "arguments 1: {\"a\": 1}", "end 1"}));
}

// Source: mistral-common, tokenizers v11 and v13, as the chat templates of Mistral Small 3.2 and
// Ministral 3 write it.
TEST(AnswerCalls, MistralNameAndArguments) {
  EXPECT_EQ(mistral("I look. [TOOL_CALLS]get_weather[CALL_ID]VvvODy9mT[ARGS]{\"city\": \"Paris\"}"
                    "[TOOL_CALLS]add[ARGS]{\"a\": 1}"),
            (Lines{"content: I look.", "call 0: get_weather", "arguments 0: {\"city\": \"Paris\"}",
                   "end 0", "call 1: add", "arguments 1: {\"a\": 1}", "end 1"}));
  EXPECT_EQ(mistral("[TOOL_CALLS]add{\"a\": 1}"),
            (Lines{"call 0: add", "arguments 0: {\"a\": 1}", "end 0"}));
}

TEST(AnswerCalls, MistralOtherAnswersAreContent) {
  for (const char* answer : {"[TOOL_CALLS]", "[TOOL_CALLS] none", "[TOOL_CALLS]f[ARGS]x", "a[1]",
                             "[TOOL_CALLS][]", "[TOOL_CALLS]f[CALL_ID]!"}) {
    EXPECT_EQ(mistral(answer), Lines{std::string("content: ") + answer});
  }
}

// Source: the example in the system prompt of Qwen3-Coder's chat template.
TEST(AnswerCalls, CoderCallOfTheTemplate) {
  EXPECT_EQ(coder("<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>\n"
                  "value_1\n</parameter>\n<parameter=example_parameter_2>\nThis is the value for "
                  "the second parameter\nthat can span\nmultiple lines\n</parameter>\n</function>\n"
                  "</tool_call>"),
            (Lines{"call 0: example_function_name",
                   "arguments 0: {\"example_parameter_1\": \"value_1\", \"example_parameter_2\": "
                   "\"This is the value for the second parameter\\nthat can span\\nmultiple "
                   "lines\"}",
                   "end 0"}));
}

TEST(AnswerCalls, CoderValuesThatAreJsonStayJson) {
  EXPECT_EQ(
      coder("<tool_call><function=f><parameter=a>12</parameter><parameter=b>\n{\"x\": "
            "[true, null]}\n</parameter><parameter=c>12 km</parameter><parameter=d>"
            "</parameter><parameter=e> \"q\" </parameter><parameter=g>[1, 2</parameter>"
            "<parameter=h>\n  if a < b:\n    \"x\"\\\n\n</parameter></function></tool_call>"),
      (Lines{"call 0: f",
             "arguments 0: {\"a\": 12, \"b\": {\"x\": [true, null]}, \"c\": \"12 km\", \"d\": "
             "\"\", \"e\": \"q\", \"g\": \"[1, 2\", \"h\": \"  if a < b:\\n    "
             "\\\"x\\\"\\\\\\n\"}",
             "end 0"}));
}

TEST(AnswerCalls, CoderCallsWithoutParametersOrOuterTags) {
  EXPECT_EQ(coder("Now:\n<function=f>\n</function>\n</tool_call>\n<tool_call>\n<function=g>\n"
                  "</tool_call> ok"),
            (Lines{"content: Now:", "call 0: f", "arguments 0: {}", "end 0", "call 1: g",
                   "arguments 1: {}", "end 1", "content: ok"}));
}

// Source: the system prompts of the chat templates of Seed-OSS and Functionary 3.1.
TEST(AnswerCalls, CoderRelatives) {
  EXPECT_EQ(coder("<seed:tool_call>\n<function=f>\n<parameter=a>value_1</parameter>\n</function>\n"
                  "</seed:tool_call>"),
            (Lines{"call 0: f", "arguments 0: {\"a\": \"value_1\"}", "end 0"}));
  EXPECT_EQ(coder("<function=f>{\"example_name\": \"example_value\"}</function>"),
            (Lines{"call 0: f", "arguments 0: {\"example_name\": \"example_value\"}", "end 0"}));
}

TEST(AnswerCalls, CoderCallsThatBreakOffAreClosedAsJson) {
  EXPECT_EQ(coder("<tool_call><function=f><parameter=a>\nsome te"),
            (Lines{"call 0: f", "arguments 0: {\"a\": \"some te\"}", "end 0"}));
  EXPECT_EQ(coder("<tool_call><function=f><parameter=a>x</parameter> oops"),
            (Lines{"call 0: f", "arguments 0: {\"a\": \"x\"}", "end 0", "content: oops"}));
  EXPECT_EQ(coder("<tool_call><function=f><parameter=a"),
            (Lines{"call 0: f", "arguments 0: {}", "end 0", "content: <parameter=a"}));
}

TEST(AnswerCalls, CoderOtherAnswersAreContent) {
  for (const char* answer : {"<tool_call>", "<function=>", "<tool_call>{\"name\": \"f\"}",
                             "<function=f\n>", "<function=f> text", "<function", "<tool_call>\n"}) {
    EXPECT_EQ(coder(answer), Lines{std::string("content: ") + answer});
  }
}

// Source: the chat template of DeepSeek-R1-Distill.
TEST(AnswerCalls, DeepseekR1) {
  EXPECT_EQ(deepseek("Hm.\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n"
                     "```json\n{\"a\": 1}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function"
                     "<｜tool▁sep｜>f\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"),
            (Lines{"content: Hm.", "call 0: add", "arguments 0: {\"a\": 1}", "end 0", "call 1: f",
                   "arguments 1: {}", "end 1"}));
}

// Source: the chat template of DeepSeek-V3.1.
TEST(AnswerCalls, DeepseekV31) {
  EXPECT_EQ(deepseek("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>add<｜tool▁sep｜>{\"a\": 1}"
                     "<｜tool▁call▁end｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"b\": x}"
                     "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"),
            (Lines{"call 0: add", "arguments 0: {\"a\": 1}", "end 0", "call 1: f",
                   "arguments 1: {\"b\": x}", "end 1"}));
}

TEST(AnswerCalls, DeepseekOtherAnswersAreContent) {
  for (const char* answer : {"<｜tool▁calls▁begin｜><｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>a",
                             "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁call▁end｜> x"}) {
    EXPECT_EQ(deepseek(answer), Lines{std::string("content: ") + answer});
  }
}

// Source: the chat templates of GLM-4.6, with newlines, and Spark 2.5, without.
TEST(AnswerCalls, Glm) {
  EXPECT_EQ(glm("Hm.\n<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Zürich"
                "</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>\n"
                "<tool_call>f</tool_call>"),
            (Lines{"content: Hm.", "call 0: get_weather",
                   "arguments 0: {\"city\": \"Zürich\", \"days\": 2}", "end 0", "call 1: f",
                   "arguments 1: {}", "end 1"}));
  EXPECT_EQ(glm("<tool_call>f<arg_key>\"a\"</arg_key><arg_value>x <b> y</arg_value></tool_call>"),
            (Lines{"call 0: f", "arguments 0: {\"\\\"a\\\"\": \"x <b> y\"}", "end 0"}));
}

TEST(AnswerCalls, GlmCallsThatBreakOffAreClosedAsJson) {
  EXPECT_EQ(glm("<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>x</arg_"),
            (Lines{"call 0: f", "arguments 0: {\"a\": \"x</arg_\"}", "end 0"}));
  EXPECT_EQ(glm("<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value><arg_key>b"),
            (Lines{"call 0: f", "arguments 0: {\"a\": 1}", "end 0", "content: <arg_key>b"}));
}

TEST(AnswerCalls, GlmOtherAnswersAreContent) {
  for (const char* answer : {"<tool_call>", "<tool_call></tool_call>", "<tool_call>is a tag",
                             "<tool_call>f", "<tool_call>f<arg_key>a</arg_key> b"}) {
    EXPECT_EQ(glm(answer), Lines{std::string("content: ") + answer});
  }
}

}  // namespace
}  // namespace quern::test
