// From a conversation to prompt tokens: the model's chat template, then its tokenizer.
#pragma once

#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <string_view>
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
  std::string field = "messages";  // what the conversation is called in errors
  bool must_fit = false;  // a prompt that cannot fit into the context is 400, and is not tokenized
  // What asks for reasoning: a model that has none is then 400 naming it. Empty: nothing does.
  std::string reasoning_field = {};
};

// How a request asks for reasoning, one rule for all dialects. A switch is on or off. An effort is
// a switch too, off for "none"; templates that know levels get the word. The later one counts.
// `field` is what asks.
void ask_thinking(ChatInput& input, std::string field, bool is_on);
void ask_effort(ChatInput& input, std::string field, const std::string& effort);
// 400 naming the field, of a model that does not reason.
ApiError no_thinking(const std::string& field, const std::string& model);

struct ChatTokens {
  std::vector<TokenId> tokens;
  AnswerFormat format;  // as the template and the tools suggest
  bool can_reason = false;
  size_t n_unfit_bytes = 0;       // of a prompt that has no tokens because they could not fit
  bool leaves_tools_out = false;  // the request's; the template does not know tools
};

struct RenderTexts {
  std::string bos_token;
  std::string eos_token;
  std::tm now{};
};

// The prompt's text. Errors: the template's own.
Result<std::string> render_chat(const ChatTemplate& chat_template, const ChatInput& input,
                                const RenderTexts& texts);

// Whether `prompt`, as render_chat() made it of these, has nothing of the tools.
struct RenderedPrompt {
  const RenderTexts& texts;
  std::string_view prompt;
};
bool leaves_tools_out(const ChatTemplate& chat_template, const ChatInput& input,
                      const RenderedPrompt& rendered);

// Runs on an offload worker when the conversation is long. 400 for a model without a template, and
// for tools or reasoning that its template does not know.
boost::asio::awaitable<Api<ChatTokens>> chat_tokens(ServerContext& context, const ModelLease& lease,
                                                    ChatInput input);
// The first id that the vocabulary does not have.
std::optional<TokenId> first_unknown(std::span<const TokenId> ids, const Tokenizer& tokenizer);

// Special text is parsed, and BOS added where the model says so.
boost::asio::awaitable<Api<std::vector<TokenId>>> text_tokens(ServerContext& context,
                                                              const ModelLease& lease,
                                                              std::string text);

}  // namespace quern::server
