// ChatTemplate: turns a conversation into the prompt that a model was trained on, by the Jinja
// template that its file carries. Behaves as Hugging Face transformers renders chat templates.
// Immutable once parsed: any number of threads may render at the same time.
// Owns the parsed template; nothing of the source text is referred to.
#pragma once

#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/jinja/limits.h"
#include "text/jinja/value.h"

namespace quern {

namespace jinja {
struct Ast;
}

struct ChatMessage {
  std::string role;
  std::string content;
};

// A plain conversation. What has more (tool calls, parts) is built as a jinja::Value.
struct ChatPrompt {
  std::vector<ChatMessage> messages;
  bool add_generation_prompt = true;
  std::string bos_token;
  std::string eos_token;
  std::vector<std::pair<std::string, jinja::Value>> variables;  // e.g. enable_thinking
  std::tm now{};                                                // what strftime_now prints
};

class ChatTemplate {
 public:
  // Errors name the line: `[template] line 12: ...`.
  static Result<ChatTemplate> parse(std::string_view source, const jinja::Limits& limits = {});

  // `context` holds the variables, usually messages, tools (none when there are none),
  // add_generation_prompt, bos_token and eos_token. A variable that is absent is undefined.
  Result<std::string> render(const jinja::Dict& context, const std::tm& now) const;
  Result<std::string> render(const ChatPrompt& prompt) const;

  // The same template, whose renders fail once they have used so much fuel (jinja/limits.h).
  ChatTemplate with_fuel(uint64_t fuel) const;

 private:
  ChatTemplate(std::shared_ptr<const jinja::Ast> ast, const jinja::Limits& limits);

  std::shared_ptr<const jinja::Ast> ast_;  // shared, so that a template is cheap to copy
  jinja::Limits limits_;
};

// "2026-01-15T12:00:00" read as it stands (a zone or
// fraction is ignored); all fields are set, weekday and day of the year too.
Result<std::tm> parse_time(std::string_view text);

}  // namespace quern
