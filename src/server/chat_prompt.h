// From a conversation to prompt tokens: the model's chat template, then its tokenizer.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "server/generation.h"
#include "text/jinja/value.h"

namespace quern::server {

struct ChatInput {
  jinja::Value
      messages;        // list of dicts as templates expect them (OpenAI's shape, content as text)
  jinja::Value tools;  // none when there are none
  std::vector<std::string> tool_names;
  bool add_generation_prompt = true;  // false continues the last (assistant) message
  std::vector<std::pair<std::string, jinja::Value>> variables;  // chat_template_kwargs
};

struct ChatTokens {
  std::vector<TokenId> tokens;
  AnswerFormat format;  // as the template and the tools suggest
};

// Runs on the offload worker when the conversation is long. A model without a template: 400.
boost::asio::awaitable<Api<ChatTokens>> chat_tokens(ServerContext& context, const ModelLease& lease,
                                                    ChatInput input);
boost::asio::awaitable<Api<std::vector<TokenId>>> text_tokens(ServerContext& context,
                                                              const ModelLease& lease,
                                                              std::string text);

}  // namespace quern::server
