#include "conversation.h"

#include <utility>

namespace quern::app {

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
  if (!tokens) {
    take_back();
    return std::unexpected(std::move(tokens).error());
  }
  prompt.tokens = std::move(*tokens);
  return prompt;
}

}  // namespace quern::app
