#include "server/openai_tokenize.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "server/offload.h"
#include "server/openai_fields.h"
#include "server/reply.h"
#include "server/request_work.h"

namespace quern::server {
namespace {

// Taking a text apart takes as long as reading so many times its bytes of JSON.
constexpr size_t kEncodingCost = 4;
constexpr size_t kBytesPerToken = 8;  // in the answer's list, or of text

boost::asio::awaitable<Api<ModelLease>> lease_of(Exchange& exchange, ServerContext& context,
                                                 const std::string& model) {
  ModelWish wish(model);
  Api<ModelLease> lease = co_await acquire_model(exchange, context, std::move(wish));
  co_return lease;
}

// Written as it goes: a list of values of JSON would take several times the memory.
std::string tokenize_answer(const std::vector<TokenId>& tokens, uint32_t max_context) {
  std::string body = R"({"tokens":[)";
  for (const TokenId token : tokens) {
    if (body.back() != '[') {
      body += ',';
    }
    fmt::format_to(std::back_inserter(body), "{}", value(token));
  }
  fmt::format_to(std::back_inserter(body), R"(],"count":{},"max_model_len":{}}})", tokens.size(),
                 max_context);
  return body;
}

Api<std::string> tokenize_text(const ModelLease& lease, const TokenizeCall& call) {
  const Result<std::vector<TokenId>> tokens = lease.model().tokenizer().encode(
      call.text, {.add_special = call.add_special, .parse_special = call.parse_special});
  if (!tokens) {
    return refuse(from_error(tokens.error()));
  }
  return tokenize_answer(*tokens, lease.engine().max_context());
}

boost::asio::awaitable<Api<std::string>> answer_chat(Exchange& exchange, ServerContext& context,
                                                     TokenizeCall call) {
  Api<ModelLease> lease = co_await lease_of(exchange, context, call.model);
  if (!lease) {
    co_return refuse(std::move(lease.error()));
  }
  Api<ChatTokens> chat = co_await chat_tokens(context, *lease, std::move(*call.chat));
  if (!chat) {
    co_return refuse(std::move(chat.error()));
  }
  const size_t n_bytes = chat->tokens.size() * kBytesPerToken;
  auto work = [&lease, tokens = std::move(chat->tokens)]() -> Api<std::string> {
    return tokenize_answer(tokens, lease->engine().max_context());
  };
  RequestWork writing(n_bytes, std::move(work));
  Api<std::string> body = co_await writing.run(exchange, context.offload);
  co_return std::move(body);
}

boost::asio::awaitable<Api<std::string>> answer_text(Exchange& exchange, ServerContext& context,
                                                     TokenizeCall call) {
  Api<ModelLease> lease = co_await lease_of(exchange, context, call.model);
  if (!lease) {
    co_return refuse(std::move(lease.error()));
  }
  const size_t n_bytes = call.text.size() * kEncodingCost;
  auto work = [&lease, owned = std::move(call)] { return tokenize_text(*lease, owned); };
  RequestWork encoding(n_bytes, std::move(work));
  Api<std::string> body = co_await encoding.run(exchange, context.offload);
  co_return std::move(body);
}

Api<std::string> detokenize_ids(const ModelLease& lease, const DetokenizeCall& call) {
  const Tokenizer& tokenizer = lease.model().tokenizer();
  if (const std::optional<TokenId> unknown = first_unknown(call.tokens, tokenizer)) {
    std::string message = fmt::format("tokens has {}; expected ids below {}", value(*unknown),
                                      tokenizer.vocab_size());
    return refuse(bad_field("tokens", std::move(message)));
  }
  const Json body = {{"prompt", tokenizer.decode(call.tokens, {})}};
  return dump(body);
}

boost::asio::awaitable<Api<std::string>> answer_detokenize(Exchange& exchange,
                                                           ServerContext& context,
                                                           DetokenizeCall call) {
  Api<ModelLease> lease = co_await lease_of(exchange, context, call.model);
  if (!lease) {
    co_return refuse(std::move(lease.error()));
  }
  const size_t n_bytes = call.tokens.size() * kBytesPerToken;
  auto work = [&lease, owned = std::move(call)] { return detokenize_ids(*lease, owned); };
  RequestWork decoding(n_bytes, std::move(work));
  Api<std::string> body = co_await decoding.run(exchange, context.offload);
  co_return std::move(body);
}

Task send_either(Exchange& exchange, Api<std::string> body) {
  if (body) {
    co_await send_json_text(exchange, std::move(*body));
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
  Api<TokenizeCall> call = co_await read_body(exchange, context, read_tokenize_call);
  if (!call) {
    co_await send_error(exchange, std::move(call.error()), Dialect::openai);
    co_return;
  }
  Api<std::string> body;
  if (call->chat) {
    body = co_await answer_chat(exchange, context, std::move(*call));
  } else {
    body = co_await answer_text(exchange, context, std::move(*call));
  }
  co_await send_either(exchange, std::move(body));
}

Task detokenize(Exchange& exchange, ServerContext& context) {
  Api<DetokenizeCall> call = co_await read_body(exchange, context, read_detokenize_call);
  if (!call) {
    co_await send_error(exchange, std::move(call.error()), Dialect::openai);
    co_return;
  }
  Api<std::string> body = co_await answer_detokenize(exchange, context, std::move(*call));
  co_await send_either(exchange, std::move(body));
}

}  // namespace quern::server
