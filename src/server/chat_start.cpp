#include "server/chat_start.h"

#include <fmt/format.h>

#include <utility>

namespace quern::server {

void set_thinking(ChatInput& input, bool is_on) {
  input.variables.emplace_back("enable_thinking", jinja::Value::boolean(is_on));
  input.variables.emplace_back("thinking", jinja::Value::boolean(is_on));
}

std::optional<ApiError> thinking_error(const std::string& field, const AnswerFormat& format,
                                       const std::string& model) {
  if (field.empty() || !format.think_close.empty()) {
    return std::nullopt;
  }
  ApiError error = bad_field(
      field,
      fmt::format("{} is not supported: the model '{}' does not support thinking", field, model));
  error.code = "unsupported";
  return error;
}

boost::asio::awaitable<Api<ChatPrompted>> prompt_chat(Exchange& exchange, ServerContext& context,
                                                      ChatPlan& plan) {
  ModelWish wish(plan.fields.model, plan.fields.schedule);
  Api<ModelLease> lease = co_await acquire_model(exchange, context, std::move(wish));
  if (!lease) {
    co_return refuse(std::move(lease.error()));
  }
  Api<ChatTokens> chat = co_await chat_tokens(context, *lease, std::move(plan.input));
  if (!chat) {
    co_return refuse(std::move(chat.error()));
  }
  if (auto error = thinking_error(plan.needs_thinking, chat->format, lease->name())) {
    co_return refuse(std::move(*error));
  }
  ChatPrompted prompted{.lease = std::move(*lease), .chat = std::move(*chat)};
  co_return prompted;
}

boost::asio::awaitable<Api<std::unique_ptr<Generation>>> start_chat_plan(Exchange& exchange,
                                                                         ServerContext& context,
                                                                         ChatPlan& plan) {
  Api<ChatPrompted> prompted = co_await prompt_chat(exchange, context, plan);
  if (!prompted) {
    co_return refuse(std::move(prompted.error()));
  }
  Api<GenerationSpec> spec = make_spec(plan.fields, prompted->lease);
  if (!spec) {
    co_return refuse(std::move(spec.error()));
  }
  spec->prompt = std::move(prompted->chat.tokens);
  spec->format = std::move(prompted->chat.format);
  plan.fields.sampling.seed = static_cast<int64_t>(spec->sampling.seed);
  plan.fields.sampling.temperature = spec->sampling.temperature;
  plan.fields.sampling.top_p = spec->sampling.top_p;
  co_return Generation::start(exchange, context, {std::move(prompted->lease), std::move(*spec)});
}

}  // namespace quern::server
