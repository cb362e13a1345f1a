// POST /v1/chat/completions: reading the request, writing the answer whole or in chunks.
// The functions are pure; a ChatStream belongs to one answer and is used on its strand.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/chat_request.h"
#include "server/chat_start.h"
#include "server/openai_answer.h"

namespace quern::server {

struct ChatCall : ChatPlan {
  bool logprobs = false;
  bool one_tool_call = false;  // parallel_tool_calls is false
};

Api<ChatCall> read_chat_call(std::string_view body);

struct ChatAnswerOptions {
  AnswerHead head;
  bool logprobs = false;
  bool include_usage = false;
  bool one_tool_call = false;
};

Json chat_answer(const ChatAnswerOptions& options, const std::vector<ChoiceAnswer>& choices,
                 const TokenTexts& texts);

// Turns a generation's events into chunks. Borrows the tokenizer that `texts` names.
class ChatStream {
 public:
  ChatStream(ChatAnswerOptions options, uint32_t n_choices, TokenTexts texts);
  // Server-sent events; empty when the event shows nothing yet.
  std::string add(const GenerationEvent& event);
  // The usage, where it was asked for, and the end mark.
  std::string end() const;

 private:
  struct Choice {
    bool has_begun = false;
    bool has_tool_calls = false;
    std::vector<Json> logprobs;  // not sent yet
  };

  Json delta_of(const GenerationEvent& event, Choice& choice) const;
  void keep_logprob(const GenerationEvent& event, Choice& choice) const;
  std::string chunk(uint32_t index, Json delta, Json rest) const;

  ChatAnswerOptions options_;
  TokenTexts texts_;
  std::vector<Choice> choices_;
  UsageTotals usage_;
};

Task chat_completions(Exchange& exchange, ServerContext& context);

}  // namespace quern::server
