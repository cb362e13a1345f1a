// POST /tokenize and /detokenize: reading the requests. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/chat_request.h"
#include "server/exchange.h"

namespace quern::server {

struct TokenizeCall {
  std::string model;
  std::string text;
  std::optional<ChatInput> chat;  // instead of the text: the prompt that a conversation becomes
  bool add_special = false;       // what the model puts around a text, as BOS
  bool parse_special = true;
};

struct DetokenizeCall {
  std::string model;
  std::vector<TokenId> tokens;
};

// The text is `prompt` or `content`; or there are `messages`.
Api<TokenizeCall> read_tokenize_call(std::string_view body);
Api<DetokenizeCall> read_detokenize_call(std::string_view body);

Task tokenize(Exchange& exchange, ServerContext& context);
Task detokenize(Exchange& exchange, ServerContext& context);

}  // namespace quern::server
