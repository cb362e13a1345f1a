// CallParser: reads the tool calls of one style, from after the marker that announces them.
// Implementations are not thread-safe, and own what they keep.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/answer/answer_writer.h"
#include "text/answer/markers.h"
#include "text/answer_format.h"

namespace quern::answer {

enum class Took : uint8_t {
  byte,     // the byte belongs to the calls, or may
  last,     // the byte is the last of the calls
  nothing,  // the byte, and what the writer holds, are no part of the calls, which are over
};

class CallParser {
 public:
  virtual ~CallParser() = default;
  // The caller has appended `c` to writer.held before.
  virtual Took push(char c, AnswerWriter& writer) = 0;
  // No more text: ends the call that has begun, if any.
  virtual void finish(AnswerWriter& writer) = 0;
};

// What announces the style's calls. The llama3 style has a form without a marker besides.
Markers call_openers(ToolStyle style);

// `opener` is the index of the marker that was read. The format outlives the parser.
std::unique_ptr<CallParser> make_call_parser(const AnswerFormat& format, int opener);

// One for each file.
std::unique_ptr<CallParser> make_hermes_calls();
std::unique_ptr<CallParser> make_llama3_calls(const std::vector<std::string>& tool_names);
std::unique_ptr<CallParser> make_mistral_calls();
std::unique_ptr<CallParser> make_function_calls(bool in_function);
std::unique_ptr<CallParser> make_deepseek_calls(bool in_call);
std::unique_ptr<CallParser> make_arg_key_calls();

}  // namespace quern::answer
