#include <algorithm>
#include <string_view>
#include <utility>

#include "server/chat_prompt.h"

namespace quern::server {
namespace {

// Stands at the end of a message that the answer goes on, to find that end in the prompt: templates
// trim and wrap what they are given. Private-use characters, so that no tokenizer or template means
// anything by it.
constexpr std::string_view kEndMark = "\uE0F1\uE0F2\uE0F3";

// The messages with the mark after the last one's content.
jinja::Value mark_last(const jinja::Value& messages) {
  std::vector<jinja::Value> items = messages.items();
  jinja::Dict last = items.back().entries();
  const jinja::Value* content = last.find("content");
  std::string text(content != nullptr && content->is(jinja::Kind::string) ? content->text() : "");
  text += kEndMark;
  last.set("content", jinja::Value::string(std::move(text)));
  items.back() = jinja::Value::dict(std::move(last));
  return jinja::Value::list(std::move(items));
}

Result<std::string> cut_at_mark(std::string prompt) {
  const size_t end = prompt.rfind(kEndMark);
  if (end == std::string::npos) {
    return fail({.where = "template",
                 .what = "the model's template leaves the last message out",
                 .expected = "a conversation that ends with a user's message"});
  }
  prompt.resize(end);
  return prompt;
}

}  // namespace

bool leaves_tools_out(const ChatTemplate& chat_template, const ChatInput& input,
                      const RenderedPrompt& rendered) {
  ChatInput without = input;
  without.tools = jinja::Value::none();
  const Result<std::string> prompt = render_chat(chat_template, without, rendered.texts);
  return prompt && *prompt == rendered.prompt;
}

Result<std::string> render_chat(const ChatTemplate& chat_template, const ChatInput& input,
                                const RenderTexts& texts) {
  const bool marks = input.continue_final && !input.messages.items().empty();
  jinja::Dict context;
  for (const auto& [name, value] : input.variables) {
    context.set(name, value);
  }
  context.set("messages", marks ? mark_last(input.messages) : input.messages);
  context.set("tools", input.tools);
  if (context.find("documents") == nullptr) {
    context.set("documents", jinja::Value::none());
  }
  context.set("add_generation_prompt",
              jinja::Value::boolean(input.add_generation_prompt && !marks));
  context.set("bos_token", jinja::Value::string(texts.bos_token));
  context.set("eos_token", jinja::Value::string(texts.eos_token));
  QUERN_ASSIGN(std::string prompt, chat_template.render(context, texts.now));
  if (marks) {
    return cut_at_mark(std::move(prompt));
  }
  return prompt;
}

}  // namespace quern::server
