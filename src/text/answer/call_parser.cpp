#include "text/answer/call_parser.h"

namespace quern::answer {

namespace {

constexpr std::string_view kHermes[] = {"<tool_call>", "<tool_calls>", "<TOOLCALL>",
                                        "<|tool_call|>"};
constexpr std::string_view kLlama3[] = {"<|python_tag|>"};
constexpr std::string_view kMistral[] = {"[TOOL_CALLS]"};
constexpr std::string_view kFunction[] = {"<function=", "<tool_call>", "<seed:tool_call>"};
constexpr std::string_view kDeepseek[] = {"<｜tool▁call▁begin｜>", "<｜tool▁calls▁begin｜>"};
constexpr std::string_view kGlm[] = {"<tool_call>"};

}  // namespace

Markers call_openers(ToolStyle style) {
  switch (style) {
    case ToolStyle::hermes:
      return kHermes;
    case ToolStyle::llama3:
      return kLlama3;
    case ToolStyle::mistral:
      return kMistral;
    case ToolStyle::qwen3_coder:
      return kFunction;
    case ToolStyle::deepseek:
      return kDeepseek;
    case ToolStyle::glm:
      return kGlm;
    case ToolStyle::none:
      break;
  }
  return {};
}

std::unique_ptr<CallParser> make_call_parser(const AnswerFormat& format, int opener) {
  switch (format.tools) {
    case ToolStyle::hermes:
      return make_hermes_calls();
    case ToolStyle::llama3:
      return make_llama3_calls(format.tool_names);
    case ToolStyle::mistral:
      return make_mistral_calls();
    case ToolStyle::qwen3_coder:
      return make_function_calls(opener == 0);
    case ToolStyle::deepseek:
      return make_deepseek_calls(opener == 0);
    case ToolStyle::glm:
      return make_arg_key_calls();
    case ToolStyle::none:
      break;
  }
  return nullptr;
}

}  // namespace quern::answer
