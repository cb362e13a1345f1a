#include "text/answer_format.h"

#include <algorithm>
#include <initializer_list>

namespace quern {

namespace {

bool contains_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return text.contains(word); });
}

ToolStyle detect_tools(std::string_view source) {
  if (source.contains("<function=")) {
    return ToolStyle::qwen3_coder;
  }
  if (source.contains("[TOOL_CALLS]")) {
    return ToolStyle::mistral;
  }
  if (source.contains("<｜tool▁calls▁begin｜>")) {
    return ToolStyle::deepseek;
  }
  if (source.contains("<arg_key>")) {
    return ToolStyle::glm;
  }
  if (contains_any(source, {"<tool_call>", "<tool_calls>", "<TOOLCALL>", "<|tool_call|>"})) {
    return ToolStyle::hermes;
  }
  // Llama 3.2's template has no <|python_tag|>, only the instruction.
  if (contains_any(source, {"<|python_tag|>", "{\"name\": function name, \"parameters\":"})) {
    return ToolStyle::llama3;
  }
  return ToolStyle::none;
}

struct ThinkMarkers {
  std::string_view open;
  std::string_view close;
};

constexpr ThinkMarkers kThinkMarkers[] = {
    {"<think>", "</think>"},            // DeepSeek R1, Qwen3, QwQ, GLM, Granite 3.3
    {"[THINK]", "[/THINK]"},            // Ministral 3, Magistral
    {"<seed:think>", "</seed:think>"},  // Seed-OSS
    {"<mm:think>", "</mm:think>"},      // MiniMax-M3
    {"<thinking>", "</thinking>"},      // Apriel 1.5
};

bool ends_with_marker(std::string_view text, std::string_view marker) {
  const size_t last = text.find_last_not_of(" \t\r\n");
  return last != std::string_view::npos && text.substr(0, last + 1).ends_with(marker);
}

}  // namespace

AnswerFormat detect_answer_format(std::string_view template_source,
                                  std::string_view rendered_prompt, bool has_tools) {
  AnswerFormat format;
  format.tools = has_tools ? detect_tools(template_source) : ToolStyle::none;
  for (const ThinkMarkers& markers : kThinkMarkers) {
    if (template_source.contains(markers.close)) {
      format.think_open = markers.open;
      format.think_close = markers.close;
      // Only at the very end: an opened marker further up may be what a user wrote.
      format.starts_in_reasoning = ends_with_marker(rendered_prompt, markers.open);
      break;
    }
  }
  return format;
}

}  // namespace quern
