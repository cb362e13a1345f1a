#include "text/answer_parser.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "unit/text/answer_lines.h"

namespace quern::test {
namespace {

AnswerFormat thinking(bool starts_in_reasoning = false) {
  return {.tools = ToolStyle::hermes,
          .think_open = "<think>",
          .think_close = "</think>",
          .starts_in_reasoning = starts_in_reasoning};
}

// Source: Qwen3's chat template: "<think>\n" + reasoning + "\n</think>\n\n" + content.
TEST(AnswerParser, ReasoningIsSplitFromContentWithoutTheNewlinesAroundIt) {
  const Lines expected = {"reasoning: First.\n\nThen 1 < 2.", "content: The answer"};
  EXPECT_EQ(lines_of(thinking(), "<think>\nFirst.\n\nThen 1 < 2.\n</think>\n\nThe answer"),
            expected);
  EXPECT_EQ(lines_of(thinking(true), "First.\n\nThen 1 < 2.\n</think>\n\nThe answer"), expected);
  EXPECT_EQ(lines_of(thinking(true), "<think>\nFirst.\n\nThen 1 < 2.</think>The answer"), expected);
}

TEST(AnswerParser, TheIndentationOfTheFirstLineAfterReasoningIsKept) {
  EXPECT_EQ(lines_of(thinking(true), "a</think>\n\n  code"),
            (Lines{"reasoning: a", "content:   code"}));
}

TEST(AnswerParser, EmptyReasoningGivesNothing) {
  EXPECT_EQ(lines_of(thinking(), "<think>\n\n</think>\n\nHi"), Lines{"content: Hi"});
}

TEST(AnswerParser, ReasoningThatDoesNotEndIsReasoning) {
  EXPECT_EQ(lines_of(thinking(true), "Hm, </thin"), Lines{"reasoning: Hm, </thin"});
}

TEST(AnswerParser, ThinkMarkersAfterTheStartAreContent) {
  for (const char* answer : {"Hi <think>x</think>", "\n Hi", "</think> x"}) {
    EXPECT_EQ(lines_of(thinking(), answer), Lines{std::string("content: ") + answer});
  }
  EXPECT_EQ(lines_of(thinking(), "<think>a</think><think>b</think>"),
            (Lines{"reasoning: a", "content: <think>b</think>"}));
}

TEST(AnswerParser, CallsCountAfterReasoningButNotWithinIt) {
  EXPECT_EQ(lines_of(thinking(true),
                     "I use <tool_call>{\"name\":\"f\"}</tool_call>.\n</think>\n\n"
                     "<tool_call>\n{\"name\": \"g\"}\n</tool_call>"),
            (Lines{"reasoning: I use <tool_call>{\"name\":\"f\"}</tool_call>.", "call 0: g",
                   "arguments 0: {}", "end 0"}));
}

TEST(AnswerParser, Llama3ObjectMayFollowReasoning) {
  AnswerFormat format = thinking(true);
  format.tools = ToolStyle::llama3;
  EXPECT_EQ(lines_of(format, "a</think>\n{\"name\": \"f\", \"parameters\": {}}"),
            (Lines{"reasoning: a", "call 0: f", "arguments 0: {}", "end 0"}));
}

TEST(AnswerParser, WithoutToolsAndMarkersTextIsContentAtOnce) {
  const std::string answer = " <think>\n<tool_call>{\"name\":\"f\"}</tool_call> ";
  AnswerParser parser{AnswerFormat{}};
  std::vector<AnswerDelta> deltas;
  parser.push(answer, deltas);
  ASSERT_EQ(deltas.size(), 1U);
  EXPECT_EQ(deltas[0].text, answer);
  parser.finish(deltas);
  EXPECT_EQ(deltas.size(), 1U);
  EXPECT_FALSE(parser.saw_tool_call());
}

// The text that one push gives.
std::string pushed(AnswerParser& parser, std::string_view piece) {
  std::vector<AnswerDelta> deltas;
  parser.push(piece, deltas);
  std::string text;
  for (const AnswerDelta& delta : deltas) {
    text += line_of(delta) + "|";
  }
  return text;
}

TEST(AnswerParser, KeepsBackOnlyWhatMayBecomeAMarker) {
  AnswerParser parser({.tools = ToolStyle::hermes});
  EXPECT_EQ(pushed(parser, "1 < 2"), "content: 1 < 2|");
  EXPECT_EQ(pushed(parser, " <"), "");
  EXPECT_EQ(pushed(parser, "b> <tool"), "content:  <b>|");
  EXPECT_EQ(pushed(parser, "box"), "content:  <toolbox|");
}

TEST(AnswerParser, ArgumentsComeAsTheyAreWritten) {
  AnswerParser parser({.tools = ToolStyle::hermes});
  EXPECT_EQ(pushed(parser, "<tool_call>{\"name\": \"f\""), "");
  EXPECT_FALSE(parser.saw_tool_call());
  EXPECT_EQ(pushed(parser, ", \"arguments\": {\"a"), "call 0: f|arguments 0: {\"a|");
  EXPECT_TRUE(parser.saw_tool_call());
  EXPECT_EQ(pushed(parser, "\": 1"), "arguments 0: \": 1|");
  EXPECT_EQ(pushed(parser, "}"), "arguments 0: }|");
  EXPECT_EQ(pushed(parser, "}"), "end 0|");
  EXPECT_EQ(pushed(parser, "\n</tool_call>\n"), "");
}

TEST(AnswerParser, CoderStringsComeAsTheyAreWritten) {
  AnswerParser parser({.tools = ToolStyle::qwen3_coder});
  EXPECT_EQ(pushed(parser, "<tool_call><function=f><parameter=a>"),
            "call 0: f|arguments 0: {\"a\": |");
  EXPECT_EQ(pushed(parser, "\nZü"), "arguments 0: \"Zü|");
  EXPECT_EQ(pushed(parser, "rich\n</para"), "arguments 0: rich|");
  EXPECT_EQ(pushed(parser, "meter>"), "arguments 0: \"|");
}

std::string times(size_t n, std::string_view text) {
  std::string all;
  for (size_t i = 0; i < n; ++i) {
    all += text;
  }
  return all;
}

TEST(AnswerParser, MoreIsNotKeptBackThanTheLimit) {
  const std::string head = "<tool_call>{\"arguments\": {\"a\": \"";
  const std::string answer =
      head + std::string(AnswerParser::kMaxHeldBytes, 'x') + "\"}, \"name\": \"f\"}</tool_call>";
  EXPECT_EQ(lines_of_pieces({.tools = ToolStyle::hermes}, {answer}), Lines{"content: " + answer});
  AnswerParser parser({.tools = ToolStyle::hermes});
  EXPECT_EQ(pushed(parser, answer.substr(0, AnswerParser::kMaxHeldBytes)), "");
  EXPECT_NE(pushed(parser, answer.substr(AnswerParser::kMaxHeldBytes, 1)), "");
}

TEST(AnswerParser, LongArgumentsAreNotBound) {
  const std::string arguments =
      "{\"a\": \"" + std::string(AnswerParser::kMaxHeldBytes + 10, 'x') + "\"}";
  EXPECT_EQ(lines_of_pieces({.tools = ToolStyle::hermes},
                            {"<tool_call>{\"name\": \"f\", \"arguments\": ", arguments, "}"}),
            (Lines{"call 0: f", "arguments 0: " + arguments, "end 0"}));
}

TEST(AnswerParser, CallsBeyondTheLimitAreContent) {
  const std::string call = "<tool_call>{\"name\":\"f\"}</tool_call>";
  const Lines lines = lines_of_pieces({.tools = ToolStyle::hermes},
                                      {times(AnswerParser::kMaxCalls, call), call, call});
  ASSERT_EQ(lines.size(), AnswerParser::kMaxCalls * 3 + 1);
  EXPECT_EQ(lines.back(), "content: " + call + call);
  const std::string object = "{\"name\":\"f\"}";
  const std::string list =
      "<tool_call>" + object + times(AnswerParser::kMaxCalls, object) + "</tool_call>";
  EXPECT_EQ(lines_of_pieces({.tools = ToolStyle::hermes}, {list}).back(),
            "content: " + object + "</tool_call>");
}

// The outer object is the first of the 64 levels.
TEST(AnswerParser, DeeperArgumentsThanTheLimitAreNoCall) {
  const auto answer = [](size_t n) {
    return "<tool_call>{\"arguments\":" + times(n, "[") + times(n, "]") + ",\"name\":\"f\"}";
  };
  const AnswerFormat format = {.tools = ToolStyle::hermes};
  EXPECT_EQ(lines_of_pieces(format, {answer(63)}).front(), "call 0: f");
  EXPECT_EQ(lines_of_pieces(format, {answer(64)}), Lines{"content: " + answer(64)});
}

}  // namespace
}  // namespace quern::test
