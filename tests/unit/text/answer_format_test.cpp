// The template sources are the lines of published chat templates that tell the format.
#include "text/answer_format.h"

#include <gtest/gtest.h>

namespace quern::test {
namespace {

ToolStyle style_of(std::string_view source) {
  return detect_answer_format(source, "", true).tools;
}

TEST(AnswerFormat, StyleOfTheTemplate) {
  EXPECT_EQ(style_of("{{- '\\n<tool_call>\\n{\"name\": \"' }}"), ToolStyle::hermes);  // Qwen2.5
  EXPECT_EQ(style_of("{{- '\\n<tool_calls>[' -}}"), ToolStyle::hermes);               // Apriel 1.5
  EXPECT_EQ(style_of("{{- '<TOOLCALL>[' -}}"), ToolStyle::hermes);  // Nemotron Nano v2
  EXPECT_EQ(style_of("{{- '\\n<tool_call>\\n<function=' + tool_call.name + '>\\n' }}"),
            ToolStyle::qwen3_coder);  // Qwen3-Coder
  EXPECT_EQ(style_of("{{- \"<|python_tag|>\" + tool_call.name + \".call(\" }}"),
            ToolStyle::llama3);  // Llama 3.3
  EXPECT_EQ(style_of("{{- 'Respond in the format {\"name\": function name, \"parameters\": "
                     "dictionary of argument name and its value}.' }}"),
            ToolStyle::llama3);                                         // Llama 3.2
  EXPECT_EQ(style_of("{{- \"[TOOL_CALLS][\" }}"), ToolStyle::mistral);  // Mistral Nemo
  EXPECT_EQ(style_of("{{'<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>'}}"),
            ToolStyle::deepseek);  // DeepSeek V3.1
  EXPECT_EQ(style_of("<tool_call>{function-name}\n<arg_key>{arg-key-1}</arg_key>"),
            ToolStyle::glm);                                     // GLM 4.6
  EXPECT_EQ(style_of("<start_of_turn>model"), ToolStyle::none);  // Gemma 2
}

TEST(AnswerFormat, NoToolsNoStyle) {
  EXPECT_EQ(detect_answer_format("<tool_call>", "", false).tools, ToolStyle::none);
}

TEST(AnswerFormat, ThinkMarkersOfTheTemplate) {
  const AnswerFormat qwen = detect_answer_format("content.split('</think>')", "", false);
  EXPECT_EQ(qwen.think_open, "<think>");
  EXPECT_EQ(qwen.think_close, "</think>");
  const AnswerFormat ministral = detect_answer_format("'[THINK]' + x + '[/THINK]'", "", false);
  EXPECT_EQ(ministral.think_open, "[THINK]");
  EXPECT_EQ(detect_answer_format("<start_of_turn>model", "<think>", false).think_open, "");
  EXPECT_FALSE(detect_answer_format("<start_of_turn>model", "<think>", false).starts_in_reasoning);
}

// Sources: the generation prompts of Qwen3.5 (thinking on, off) and of DeepSeek V3.1.
TEST(AnswerFormat, ReasoningStartsInThePromptWhenItEndsWithTheMarker) {
  const auto starts = [](std::string_view prompt) {
    return detect_answer_format("<think></think>", prompt, false).starts_in_reasoning;
  };
  EXPECT_TRUE(starts("<|im_start|>assistant\n<think>\n"));
  EXPECT_TRUE(starts("<｜Assistant｜><think>"));
  EXPECT_FALSE(starts("<|im_start|>assistant\n<think>\n\n</think>\n\n"));
  EXPECT_FALSE(starts("<|im_start|>user\nWhat is <think>?<|im_end|>\n<|im_start|>assistant\n"));
  EXPECT_FALSE(starts(""));
}

}  // namespace
}  // namespace quern::test
