#include "server/chat_prompt.h"

#include <ctime>
#include <optional>
#include <string_view>
#include <utility>

#include "server/offload.h"

namespace quern::server {
namespace {

// Below, rendering and encoding take less time than handing them to another thread and back.
constexpr size_t kOffloadWeight = 256;  // in jinja::Value::weight(), 64 bytes of text each
constexpr size_t kOffloadBytes = size_t{16} * 1024;

std::string special_text(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  return id ? std::string(tokenizer.token_bytes(*id)) : std::string();
}

std::tm server_time() {
  const std::time_t seconds = std::time(nullptr);
  std::tm now{};
  localtime_r(&seconds, &now);
  return now;
}

Result<ChatTokens> make_chat_tokens(const LoadedModel& model, const ChatInput& input) {
  const Tokenizer& tokenizer = model.tokenizer();
  const RenderTexts texts{.bos_token = special_text(tokenizer, tokenizer.special().bos),
                          .eos_token = special_text(tokenizer, tokenizer.special().eos),
                          .now = server_time()};
  QUERN_ASSIGN(const std::string prompt, render_chat(*model.chat_template(), input, texts));
  ChatTokens chat;
  QUERN_ASSIGN(chat.tokens,
               tokenizer.encode(prompt, {.add_special = false, .parse_special = true}));
  const auto source = model.card().string("tokenizer.chat_template");
  chat.format = detect_answer_format(source.value_or(""), prompt, !input.tool_names.empty());
  chat.format.tool_names = input.tool_names;
  return chat;
}

Result<std::vector<TokenId>> make_text_tokens(const LoadedModel& model, std::string_view text) {
  const Tokenizer& tokenizer = model.tokenizer();
  QUERN_ASSIGN(std::vector<TokenId> tokens,
               tokenizer.encode(text, {.add_special = false, .parse_special = true}));
  if (tokenizer.adds_bos() && tokenizer.special().bos) {
    tokens.insert(tokens.begin(), *tokenizer.special().bos);
  }
  return tokens;
}

template <typename T>
Api<T> to_api(Result<T> result) {
  if (!result) {
    return refuse(from_error(result.error()));
  }
  return std::move(*result);
}

}  // namespace

boost::asio::awaitable<Api<ChatTokens>> chat_tokens(ServerContext& context, const ModelLease& lease,
                                                    ChatInput input) {
  const LoadedModel& model = lease.model();
  if (model.chat_template() == nullptr) {
    ApiError error{.code = "no_chat_template",
                   .param = "messages",
                   .message = "the model '" + lease.name() +
                              "' has no chat template; expected a prompt for /v1/completions"};
    co_return refuse(std::move(error));
  }
  if (input.messages.weight() + input.tools.weight() < kOffloadWeight) {
    co_return to_api(make_chat_tokens(model, input));
  }
  // The lease, held by the caller, keeps the model.
  auto work = [&model, owned = std::move(input)] { return make_chat_tokens(model, owned); };
  Result<ChatTokens> made = co_await context.offload.run(std::move(work));
  co_return to_api(std::move(made));
}

boost::asio::awaitable<Api<std::vector<TokenId>>> text_tokens(ServerContext& context,
                                                              const ModelLease& lease,
                                                              std::string text) {
  const LoadedModel& model = lease.model();
  if (text.size() < kOffloadBytes) {
    co_return to_api(make_text_tokens(model, text));
  }
  auto work = [&model, owned = std::move(text)] { return make_text_tokens(model, owned); };
  Result<std::vector<TokenId>> made = co_await context.offload.run(std::move(work));
  co_return to_api(std::move(made));
}

}  // namespace quern::server
