#include "server/openai_tokenize.h"

#include <fmt/format.h>

#include <utility>

#include "server/offload.h"
#include "server/openai_fields.h"
#include "server/reply.h"

namespace quern::server {
namespace {

constexpr size_t kOffloadTextBytes =
    size_t{16} * 1024;  // below, another thread costs more than the work

boost::asio::awaitable<Api<ModelLease>> lease_of(Exchange& exchange, ServerContext& context,
                                                 const std::string& model) {
  ModelWish wish(model);
  Api<ModelLease> lease = co_await acquire_model(exchange, context, std::move(wish));
  co_return lease;
}

boost::asio::awaitable<Api<std::vector<TokenId>>> tokens_of(ServerContext& context,
                                                            const ModelLease& lease,
                                                            TokenizeCall call) {
  if (call.chat) {
    Api<ChatTokens> chat = co_await chat_tokens(context, lease, std::move(*call.chat));
    if (!chat) {
      co_return refuse(std::move(chat.error()));
    }
    co_return std::move(chat->tokens);
  }
  const bool is_long = call.text.size() >= kOffloadTextBytes;
  auto work = [&tokenizer = lease.model().tokenizer(), owned = std::move(call)] {
    return tokenizer.encode(
        owned.text, {.add_special = owned.add_special, .parse_special = owned.parse_special});
  };
  Result<std::vector<TokenId>> tokens;
  if (is_long) {
    tokens = co_await context.offload.run(std::move(work));
  } else {
    tokens = work();
  }
  if (!tokens) {
    co_return refuse(from_error(tokens.error()));
  }
  co_return std::move(*tokens);
}

Json ids_json(const std::vector<TokenId>& tokens) {
  Json list = Json::array();
  for (const TokenId token : tokens) {
    list.push_back(value(token));
  }
  return list;
}

boost::asio::awaitable<Api<Json>> answer_tokenize(Exchange& exchange, ServerContext& context,
                                                  TokenizeCall call) {
  Api<ModelLease> lease = co_await lease_of(exchange, context, call.model);
  if (!lease) {
    co_return refuse(std::move(lease.error()));
  }
  Api<std::vector<TokenId>> tokens = co_await tokens_of(context, *lease, std::move(call));
  if (!tokens) {
    co_return refuse(std::move(tokens.error()));
  }
  Json body = {{"tokens", ids_json(*tokens)},
               {"count", tokens->size()},
               {"max_model_len", lease->engine().max_context()}};
  co_return body;
}

boost::asio::awaitable<Api<Json>> answer_detokenize(Exchange& exchange, ServerContext& context,
                                                    DetokenizeCall call) {
  Api<ModelLease> lease = co_await lease_of(exchange, context, call.model);
  if (!lease) {
    co_return refuse(std::move(lease.error()));
  }
  const Tokenizer& tokenizer = lease->model().tokenizer();
  if (const std::optional<TokenId> unknown = first_unknown(call.tokens, tokenizer)) {
    std::string message = fmt::format("tokens has {}; expected ids below {}", value(*unknown),
                                      tokenizer.vocab_size());
    co_return refuse(bad_field("tokens", std::move(message)));
  }
  Json body = {{"prompt", tokenizer.decode(call.tokens, {})}};
  co_return body;
}

Task send_either(Exchange& exchange, Api<Json> body) {
  if (body) {
    co_await send_json(exchange, std::move(*body));
  } else {
    co_await send_error(exchange, std::move(body.error()), Dialect::openai);
  }
}

}  // namespace

Api<TokenizeCall> read_tokenize_call(std::string_view body) {
  Api<Json> json = parse_object(body);
  if (!json) {
    return refuse(std::move(json.error()));
  }
  TokenizeCall call;
  Fields fields(*json);
  fields.text("model", call.model);
  fields.text("content", call.text);
  fields.text("prompt", call.text);
  fields.boolean("add_special", call.add_special);
  fields.boolean("add_special_tokens", call.add_special);
  fields.boolean("parse_special", call.parse_special);
  if (fields.find("messages") != nullptr) {
    call.chat.emplace();
    read_messages(fields, *call.chat);
    read_tools(fields, *call.chat);
    read_template_options(fields, *call.chat);
  } else if (fields.find("content") == nullptr) {
    fields.require("prompt");
  }
  if (fields.error()) {
    return refuse(*fields.error());
  }
  return call;
}

Api<DetokenizeCall> read_detokenize_call(std::string_view body) {
  Api<Json> json = parse_object(body);
  if (!json) {
    return refuse(std::move(json.error()));
  }
  DetokenizeCall call;
  Fields fields(*json);
  fields.text("model", call.model);
  fields.require("tokens");
  fields.token_ids("tokens", call.tokens, kAnyVocabulary);
  if (fields.error()) {
    return refuse(*fields.error());
  }
  return call;
}

Task tokenize(Exchange& exchange, ServerContext& context) {
  Api<TokenizeCall> call = read_tokenize_call(exchange.request().body);
  if (!call) {
    co_await send_error(exchange, std::move(call.error()), Dialect::openai);
    co_return;
  }
  Api<Json> body = co_await answer_tokenize(exchange, context, std::move(*call));
  co_await send_either(exchange, std::move(body));
}

Task detokenize(Exchange& exchange, ServerContext& context) {
  Api<DetokenizeCall> call = read_detokenize_call(exchange.request().body);
  if (!call) {
    co_await send_error(exchange, std::move(call.error()), Dialect::openai);
    co_return;
  }
  Api<Json> body = co_await answer_detokenize(exchange, context, std::move(*call));
  co_await send_either(exchange, std::move(body));
}

}  // namespace quern::server
