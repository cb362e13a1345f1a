#include "server/chat_start.h"

#include <utility>

namespace quern::server {

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
  ChatPrompted prompted{.lease = std::move(*lease), .chat = std::move(*chat)};
  co_return prompted;
}

boost::asio::awaitable<Api<std::unique_ptr<Generation>>> start_chat_plan(Exchange& exchange,
                                                                         ServerContext& context,
                                                                         ChatPlan& plan) {
  std::string prompt_field = plan.input.field;
  plan.input.must_fit = true;
  Api<ChatPrompted> prompted = co_await prompt_chat(exchange, context, plan);
  if (!prompted) {
    co_return refuse(std::move(prompted.error()));
  }
  Api<GenerationSpec> spec = make_spec(plan.fields, prompted->lease);
  if (!spec) {
    co_return refuse(std::move(spec.error()));
  }
  spec->prompt = std::move(prompted->chat.tokens);
  spec->prompt_field = std::move(prompt_field);
  spec->format = std::move(prompted->chat.format);
  plan.fields.sampling.seed = static_cast<int64_t>(spec->sampling.seed);
  plan.fields.sampling.temperature = spec->sampling.temperature;
  plan.fields.sampling.top_p = spec->sampling.top_p;
  co_return Generation::start(exchange, context, {std::move(prompted->lease), std::move(*spec)});
}

}  // namespace quern::server
