#include "server/chat_prompt.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/plain_prompt.h"
#include "server/offload.h"

namespace quern::server {
namespace {

// Below, rendering and encoding take less time than handing them to another thread and back.
constexpr size_t kOffloadWeight = 256;  // in jinja::Value::weight(), 64 bytes of text each
constexpr size_t kOffloadBytes = size_t{16} * 1024;

std::string special_text(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  return id ? std::string(tokenizer.token_bytes(*id)) : std::string();
}

Result<ChatTokens> make_chat_tokens(const LoadedModel& model, const ChatInput& input) {
  const Tokenizer& tokenizer = model.tokenizer();
  const RenderTexts texts{.bos_token = special_text(tokenizer, tokenizer.special().bos),
                          .eos_token = special_text(tokenizer, tokenizer.special().eos),
                          .now = local_time()};
  QUERN_ASSIGN(const std::string prompt, render_chat(*model.chat_template(), input, texts));
  ChatTokens chat;
  QUERN_ASSIGN(chat.tokens,
               tokenizer.encode(prompt, {.add_special = false, .parse_special = true}));
  const auto source = model.card().string("tokenizer.chat_template");
  chat.format = detect_answer_format(source.value_or(""), prompt, !input.tool_names.empty());
  chat.format.tool_names = input.tool_names;
  return chat;
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

std::optional<TokenId> first_unknown(std::span<const TokenId> ids, const Tokenizer& tokenizer) {
  const uint32_t vocab_size = tokenizer.vocab_size();
  const auto found = std::ranges::find_if(
      ids, [vocab_size](TokenId id) { return static_cast<uint32_t>(value(id)) >= vocab_size; });
  return found == ids.end() ? std::nullopt : std::optional(*found);
}

boost::asio::awaitable<Api<std::vector<TokenId>>> text_tokens(ServerContext& context,
                                                              const ModelLease& lease,
                                                              std::string text) {
  const LoadedModel& model = lease.model();
  if (text.size() < kOffloadBytes) {
    co_return to_api(raw_prompt(model, text));
  }
  auto work = [&model, owned = std::move(text)] { return raw_prompt(model, owned); };
  Result<std::vector<TokenId>> made = co_await context.offload.run(std::move(work));
  co_return to_api(std::move(made));
}

}  // namespace quern::server
