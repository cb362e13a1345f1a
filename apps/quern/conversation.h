// A conversation of several turns that always fits into the context.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/plain_prompt.h"

namespace quern::app {

// Not thread-safe; borrows the model.
class Conversation {
 public:
  // `is_raw`: no template; each question goes to the model alone, as it stands.
  Conversation(const LoadedModel& model, bool is_raw) : model_(model), is_raw_(is_raw) {}

  struct Prompt {
    std::vector<TokenId> tokens;
    uint32_t n_dropped_turns = 0;  // left out now and from now on
  };
  struct Room {
    uint32_t n_context = 0;  // tokens of prompt and answer
    uint32_t n_answer = 0;   // of these, kept free for the answer as long as turns can be dropped
  };

  // The prompt for one more question. It belongs to the conversation from then on, until
  // take_back(). A question that does not fit even alone is refused, and everything is as before.
  Result<Prompt> ask(std::string question, const Room& room);
  void answer(std::string text) {
    turns_.push_back({.role = "assistant", .content = std::move(text)});
  }
  // Forgets the question that ask() added.
  void take_back() { turns_.pop_back(); }

  void set_system(std::optional<std::string> system) { system_ = std::move(system); }
  void clear() { turns_.clear(); }
  size_t n_turns() const { return turns_.size() / 2; }

 private:
  Result<std::vector<TokenId>> render() const;

  const LoadedModel& model_;
  bool is_raw_;
  std::optional<std::string> system_;
  std::vector<ChatMessage> turns_;  // user, assistant, user, ...
};

}  // namespace quern::app
