// From a conversation to a generation that runs, for the dialects below /v1 whose answers go by
// chat templates; and how a request for reasoning reaches a template.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "server/chat_prompt.h"
#include "server/openai_fields.h"

namespace quern::server {

struct ChatPlan {
  OpenAiFields fields;
  ChatInput input;
  // The field that asks for reasoning; a model whose template has none is then 400 naming it.
  std::string needs_thinking;
};

// Under both names that templates use for the switch.
void set_thinking(ChatInput& input, bool is_on);
// 400 naming the field, when the format has no reasoning.
std::optional<ApiError> thinking_error(const std::string& field, const AnswerFormat& format,
                                       const std::string& model);

// Acquires the model and renders the prompt. Takes the plan's input.
struct ChatPrompted {
  ModelLease lease;
  ChatTokens chat;
};
boost::asio::awaitable<Api<ChatPrompted>> prompt_chat(Exchange& exchange, ServerContext& context,
                                                      ChatPlan& plan);

// The same, and starts the answer. Leaves in plan.fields how it is drawn: seed, temperature, top_p.
boost::asio::awaitable<Api<std::unique_ptr<Generation>>> start_chat_plan(Exchange& exchange,
                                                                         ServerContext& context,
                                                                         ChatPlan& plan);

}  // namespace quern::server
