// From a conversation to prompt tokens: the model's chat template, then its tokenizer.
#pragma once

#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/generation.h"
#include "text/chat_template.h"
#include "text/jinja/value.h"

namespace quern::server {

struct ChatInput {
  jinja::Value
      messages;  // list of dicts as templates expect them (OpenAI's shape, content as text)
  jinja::Value tools = jinja::Value::none();  // none when there are none
  std::vector<std::string> tool_names = {};
  std::string last_role = {};         // of the last message
  bool add_generation_prompt = true;  // ends the prompt with the head of an assistant's message
  bool continue_final = false;        // ends it within the last message, which the answer goes on
  std::vector<std::pair<std::string, jinja::Value>> variables = {};  // chat_template_kwargs
};

struct ChatTokens {
  std::vector<TokenId> tokens;
  AnswerFormat format;  // as the template and the tools suggest
};

struct RenderTexts {
  std::string bos_token;
  std::string eos_token;
  std::tm now{};
};

// The prompt's text. Errors: the template's own.
Result<std::string> render_chat(const ChatTemplate& chat_template, const ChatInput& input,
                                const RenderTexts& texts);

// Runs on the offload worker when the conversation is long. A model without a template: 400.
boost::asio::awaitable<Api<ChatTokens>> chat_tokens(ServerContext& context, const ModelLease& lease,
                                                    ChatInput input);
// The first id that the vocabulary does not have.
std::optional<TokenId> first_unknown(std::span<const TokenId> ids, const Tokenizer& tokenizer);

// Special text is parsed, and BOS added where the model says so.
boost::asio::awaitable<Api<std::vector<TokenId>>> text_tokens(ServerContext& context,
                                                              const ModelLease& lease,
                                                              std::string text);

}  // namespace quern::server
