// AnswerParser: takes the text of one answer apart, as it comes, into content, reasoning and tool
// calls. What it gives in all does not depend on how the text is cut into pieces.
// Not thread-safe; one per answer. Owns everything it keeps.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/answer_format.h"

namespace quern {

struct AnswerDelta {
  enum class Kind : uint8_t {
    content,
    reasoning,
    tool_call_begin,      // text: the tool's name
    tool_call_arguments,  // text: a piece of the arguments' JSON
    tool_call_end,        // text is empty
  };
  Kind kind = Kind::content;
  uint32_t tool_index = 0;  // of the tool kinds: 0 for the first call of the answer
  std::string text;

  bool operator==(const AnswerDelta&) const = default;
};

// - Reasoning is what stands between the think markers at the answer's start, without the white
//   space at its two ends; the newlines after it are dropped.
// - Text is kept back only while it may still become a marker or a call's head. What does not
// become
//   one is content, nothing of it lost. So is what cannot be a call: no JSON, no name.
// - White space before and after a call is dropped.
// - Calls come one after another, each begin, arguments, end; a call that has begun always ends.
// Its
//   arguments are the model's own text of the JSON value, but for three things: a control character
//   inside a string is escaped (models forget it, and JSON forbids it), an object that was written
//   into a string is taken out of it, and none, null or an empty string is {}.
//   The parameters of the qwen3_coder and glm styles become an object: a value that is JSON as it
//   stands is kept, any other is a string.
// - Arguments that turn out malformed after they began are still handed on as they are, up to the
//   style's end marker, or the answer's end where the style has none: the client sees all that the
//   model wrote. An answer that ends within a call ends that call where it stands.
// - Control tokens reach this parser only when the detokenizer lets them through: [TOOL_CALLS],
//   <|python_tag|> and DeepSeek's markers are such tokens in most vocabularies.
class AnswerParser {
 public:
  static constexpr size_t kMaxHeldBytes = 1 << 20;  // beyond it, what was kept back is content
  static constexpr uint32_t kMaxCalls = 128;        // calls beyond it are content

  explicit AnswerParser(AnswerFormat format);
  ~AnswerParser();
  AnswerParser(AnswerParser&&) noexcept;
  AnswerParser& operator=(AnswerParser&&) noexcept;

  // Appends to `out`; a piece that continues out.back() is added to that.
  void push(std::string_view text, std::vector<AnswerDelta>& out);
  // The answer is over: what was kept back comes out.
  void finish(std::vector<AnswerDelta>& out);
  bool saw_tool_call() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern
