#include "conversation.h"

#include <fmt/format.h>

#include <utility>

namespace quern::app {

namespace {

std::unexpected<Error> too_long(size_t n_tokens, uint32_t n_context) {
  return fail(
      {.where = "repl",
       .what = fmt::format("the message takes {} tokens, the context holds {} with the answer",
                           n_tokens, n_context),
       .expected = "a shorter one, or `quern run` with a larger --ctx"});
}

}  // namespace

Result<std::vector<TokenId>> Conversation::render() const {
  if (is_raw_) {
    return raw_prompt(model_, turns_.back().content);
  }
  std::vector<ChatMessage> messages;
  if (system_) {
    messages.push_back({.role = "system", .content = *system_});
  }
  messages.insert(messages.end(), turns_.begin(), turns_.end());
  return chat_prompt(model_, std::move(messages));
}

// When turns must go, more go than need be, so that the next prompts begin alike again and find
// their beginning in the prefix cache.
Result<Conversation::Prompt> Conversation::ask(std::string question, const Room& room) {
  if (is_raw_) {
    turns_.clear();
  }
  std::vector<ChatMessage> before = turns_;
  turns_.push_back({.role = "user", .content = std::move(question)});
  Prompt prompt;
  auto tokens = render();
  if (tokens && tokens->size() + room.n_answer > room.n_context) {
    while (tokens && tokens->size() > room.n_context / 2 && turns_.size() > 2) {
      turns_.erase(turns_.begin(), turns_.begin() + 2);
      ++prompt.n_dropped_turns;
      tokens = render();
    }
  }
  if (tokens && tokens->size() >= room.n_context) {
    tokens = too_long(tokens->size(), room.n_context);
  }
  if (!tokens) {
    turns_ = std::move(before);
    return std::unexpected(std::move(tokens).error());
  }
  prompt.tokens = std::move(*tokens);
  return prompt;
}

}  // namespace quern::app
