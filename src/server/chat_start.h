// From a conversation to a generation that runs, for the dialects below /v1 whose answers go by
// chat templates.
#pragma once

#include <memory>

#include "server/chat_prompt.h"
#include "server/openai_fields.h"

namespace quern::server {

struct ChatPlan {
  OpenAiFields fields;
  ChatInput input;
};

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
