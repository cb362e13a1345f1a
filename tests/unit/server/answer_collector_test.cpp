// Whole answers from the events of their choices, in whatever order those come. The rules are the
// collector's own contract and the contract's words on usage.
#include "server/answer_collector.h"

#include <gtest/gtest.h>

#include <cctype>

namespace quern::server {
namespace {

using Kind = AnswerDelta::Kind;

AnswerDelta delta(Kind kind, std::string text, uint32_t tool_index = 0) {
  return {.kind = kind, .tool_index = tool_index, .text = std::move(text)};
}

TEST(AnswerCollector, KeepsChoicesApart) {
  AnswerCollector collector({.n_choices = 2, .keep_tokens = true});
  collector.add({.choice = 1, .deltas = {delta(Kind::content, "x")}, .token = TokenInfo{}});
  collector.add({.choice = 0, .deltas = {delta(Kind::reasoning, "r"), delta(Kind::content, "a")}});
  collector.add({.choice = 1,
                 .deltas = {delta(Kind::content, "y")},
                 .finish = FinishReason::stop,
                 .usage = {.prompt_tokens = 5, .cached_tokens = 5, .completion_tokens = 2}});
  collector.add({.choice = 0,
                 .finish = FinishReason::length,
                 .usage = {.prompt_tokens = 5, .cached_tokens = 1, .completion_tokens = 3}});
  const auto choices = collector.take();
  ASSERT_EQ(choices.size(), 2U);
  EXPECT_EQ(choices[0].text, "a");
  EXPECT_EQ(choices[0].reasoning, "r");
  EXPECT_EQ(choices[0].finish, FinishReason::length);
  EXPECT_EQ(choices[1].text, "xy");
  EXPECT_EQ(choices[1].tokens.size(), 1U);
  const UsageTotals usage = total_usage(choices);
  EXPECT_EQ(usage.prompt_tokens, 5U);
  EXPECT_EQ(usage.cached_tokens, 1U);
  EXPECT_EQ(usage.completion_tokens, 5U);
}

TEST(AnswerCollector, PutsToolCallsTogether) {
  for (const bool one_only : {false, true}) {
    AnswerCollector collector({.one_tool_call = one_only});
    collector.add({.deltas = {delta(Kind::tool_call_begin, "f"),
                              delta(Kind::tool_call_arguments, "{\"a\"")}});
    collector.add({.deltas = {delta(Kind::tool_call_arguments, ":1}"),
                              delta(Kind::tool_call_end, ""), delta(Kind::tool_call_begin, "g", 1),
                              delta(Kind::tool_call_arguments, "{}", 1)},
                   .finish = FinishReason::stop});
    const auto choices = collector.take();
    ASSERT_EQ(choices[0].tool_calls.size(), one_only ? 1U : 2U);
    EXPECT_EQ(choices[0].tool_calls[0].name, "f");
    EXPECT_EQ(choices[0].tool_calls[0].arguments, "{\"a\":1}");
  }
}

// Mistral's templates refuse ids of any other form.
TEST(ToolCallId, IsNineLettersOrDigits) {
  const std::string id = make_tool_call_id();
  EXPECT_EQ(id.size(), 9U);
  for (const char c : id) {
    EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(c)) != 0) << id;
  }
  EXPECT_NE(id, make_tool_call_id());
}

}  // namespace
}  // namespace quern::server
