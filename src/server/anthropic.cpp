#include "server/anthropic.h"

#include <array>
#include <utility>

#include "server/generation_group.h"
#include "server/reply.h"
#include "server/request_id.h"
#include "server/request_work.h"
#include "server/route.h"

namespace quern::server {
namespace {

constexpr Dialect kDialect = Dialect::anthropic;

Api<MessagesCall> read_answer_call(std::string_view body) {
  return read_messages_call(body, MessagesUse::answer);
}

Api<MessagesCall> read_count_call(std::string_view body) {
  return read_messages_call(body, MessagesUse::count);
}

MessageOptions message_options(const MessagesCall& call, const Generation& generation) {
  return {.id = "msg_" + fresh_request_id(),
          .model = generation.lease().name(),
          .seed = static_cast<uint64_t>(call.plan.fields.sampling.seed.value_or(0)),
          .n_prompt_tokens = generation.n_prompt_tokens(),
          .one_tool_call = call.one_tool_call};
}

StopFinder stop_finder(const MessagesCall& call, const Generation& generation) {
  const OpenAiFields& fields = call.plan.fields;
  return StopFinder(fields.stop, {.tokenizer = generation.lease().model().tokenizer(),
                                  .stop_tokens = fields.sampling.stop_tokens});
}

Task stream_message(const MessagesCall& call, GenerationGroup& group) {
  MessageStream stream(message_options(call, group[0]), stop_finder(call, group[0]));
  EventWriter writer;
  writer.dialect = kDialect;
  writer.add = [&stream](size_t, const GenerationEvent& event) { return stream.add(event); };
  writer.end = [&stream] { return stream.end(); };
  writer.error = [](const ApiError& error) {
    return "event: error\n" + sse_event(std::string_view(error_body(error, kDialect)));
  };
  co_await stream_events(group, writer);
}

Task send_message(Exchange& exchange, const MessagesCall& call, Generation& generation) {
  const MessageOptions options = message_options(call, generation);
  AnswerCollector collector({.one_tool_call = call.one_tool_call});
  StopFinder stops = stop_finder(call, generation);
  while (true) {
    std::optional<GenerationEvent> event = co_await generation.next();
    if (!event) {
      break;
    }
    if (auto error = finish_error(*event, generation.lease())) {
      co_await send_error(exchange, std::move(*error), kDialect);
      co_return;
    }
    stops.add(*event);
    collector.add(std::move(*event));
  }
  const std::vector<ChoiceAnswer> choices = collector.take();
  Json body = message_answer(options, choices.front(), stops.matched());
  co_await send_json(exchange, std::move(body));
}

}  // namespace

Task messages(Exchange& exchange, ServerContext& context) {
  Api<MessagesCall> call = co_await read_body(exchange, context, read_answer_call);
  if (!call) {
    co_await send_error(exchange, std::move(call.error()), kDialect);
    co_return;
  }
  Api<std::unique_ptr<Generation>> generation =
      co_await start_chat_plan(exchange, context, call->plan);
  if (!generation) {
    co_await send_error(exchange, std::move(generation.error()), kDialect);
    co_return;
  }
  GenerationGroup group(exchange);
  group.add(std::move(*generation));
  if (call->plan.fields.stream) {
    co_await stream_message(*call, group);
  } else {
    co_await send_message(exchange, *call, group[0]);
  }
}

Task count_message_tokens(Exchange& exchange, ServerContext& context) {
  Api<MessagesCall> call = co_await read_body(exchange, context, read_count_call);
  if (!call) {
    co_await send_error(exchange, std::move(call.error()), kDialect);
    co_return;
  }
  Api<ChatPrompted> prompted = co_await prompt_chat(exchange, context, call->plan);
  if (!prompted) {
    co_await send_error(exchange, std::move(prompted.error()), kDialect);
    co_return;
  }
  Json body = {{"input_tokens", prompted->chat.tokens.size()}};
  co_await send_json(exchange, std::move(body));
}

std::span<const Route> anthropic_routes() {
  static constexpr std::array<Route, 2> kRoutes = {{
      {"POST", "/v1/messages", messages, kDialect},
      {"POST", "/v1/messages/count_tokens", count_message_tokens, kDialect},
  }};
  return kRoutes;
}

}  // namespace quern::server
