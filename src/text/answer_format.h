// AnswerFormat: how a model writes reasoning and tool calls into the text of its answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

enum class ToolStyle : uint8_t {
  none,
  // <tool_call>{"name": .., "arguments": {..}}</tool_call>: Hermes, Qwen2.5, Qwen3, QwQ, Granite 4.
  // Also a list, and the tags <tool_calls> (Apriel, MiniMax-M1), <TOOLCALL> (Nemotron Nano) and
  // <|tool_call|> without an end (Granite 3).
  hermes,
  // The whole answer is {"name": .., "parameters": {..}}, several separated by ";", or it follows
  // <|python_tag|>: Llama 3.1 to 3.3.
  llama3,
  // [TOOL_CALLS][{"name": .., "arguments": {..}}] (Nemo), [TOOL_CALLS]name[ARGS]{..} (since Small
  // 3.2).
  mistral,
  // <tool_call><function=name><parameter=key>value</parameter></function></tool_call>: Qwen3-Coder,
  // Qwen3.5, StepFun; <seed:tool_call> around it (Seed-OSS); <function=name>{..}</function>
  // (Functionary 3.1).
  qwen3_coder,
  // <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>..<｜tool▁sep｜>..<｜tool▁call▁end｜><｜tool▁calls▁end｜>:
  // DeepSeek R1, V3, V3.1.
  deepseek,
  // <tool_call>name<arg_key>key</arg_key><arg_value>value</arg_value></tool_call>: GLM 4.5 and 4.6,
  // Ling 3, Laguna, Spark 2.5.
  glm,
};

struct AnswerFormat {
  ToolStyle tools = ToolStyle::none;
  // Both empty: the model does not reason, or its reasoning is not marked.
  std::string think_open = {};
  std::string think_close = {};
  bool starts_in_reasoning = false;  // the prompt ends with think_open
  // The tools of the request. The llama3 style has no marker of its own, so there a name that is
  // not among them makes the answer content; empty: any name will do.
  std::vector<std::string> tool_names = {};
};

// Guesses the format from the source of the chat template. tool_names is left empty.
AnswerFormat detect_answer_format(std::string_view template_source,
                                  std::string_view rendered_prompt, bool has_tools);

}  // namespace quern
