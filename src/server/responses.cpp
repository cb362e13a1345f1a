#include "server/responses.h"

#include <array>
#include <utility>

#include "server/generation_group.h"
#include "server/reply.h"
#include "server/request_id.h"
#include "server/request_work.h"
#include "server/response_store.h"
#include "server/route.h"

namespace quern::server {
namespace {

constexpr Dialect kDialect = Dialect::openai;

std::optional<Json> kept(const Exchange& exchange, ServerContext& context, std::string_view id) {
  const auto text = context.responses.get({.salt = exchange.request().key_salt, .id = id});
  Result<Json> entry = parse_json(text.value_or(""));
  return entry ? std::optional(std::move(*entry)) : std::nullopt;
}

ApiError no_such_response(std::string_view id) {
  return {.status = 404,
          .code = "not_found",
          .param = "response_id",
          .message = "there is no response '" + std::string(id) +
                     "'; expected the id of one that was stored, and not long ago"};
}

// What is earlier in the conversation, as it was stored.
Api<std::string> earlier_entry(const Exchange& exchange, ServerContext& context, const Json& body) {
  const auto previous = body.find("previous_response_id");
  if (previous == body.end() || !previous->is_string() ||
      previous->get_ref<const std::string&>().empty()) {
    return std::string();
  }
  const auto& id = previous->get_ref<const std::string&>();
  auto text = context.responses.get({.salt = exchange.request().key_salt, .id = id});
  if (!text) {
    ApiError error = no_such_response(id);
    error.status = 400;
    error.code = "previous_response_not_found";
    error.param = "previous_response_id";
    return refuse(std::move(error));
  }
  return std::move(*text);
}

// `entry` is what was stored, or empty.
Api<ResponsesCall> read_with_earlier(const Json& body, const std::string& entry) {
  Result<Json> stored = entry.empty() ? Result<Json>(Json()) : parse_json(entry);
  const Json earlier =
      stored && stored->contains("items") ? std::move((*stored)["items"]) : Json::array();
  return read_responses_call(body, earlier);
}

boost::asio::awaitable<Api<ResponsesCall>> read_call(Exchange& exchange, ServerContext& context) {
  Api<Json> body = co_await read_body(exchange, context, parse_object);
  if (!body) {
    co_return refuse(std::move(body.error()));
  }
  Api<std::string> entry = earlier_entry(exchange, context, *body);
  if (!entry) {
    co_return refuse(std::move(entry.error()));
  }
  const size_t n_bytes = exchange.request().body.size() + entry->size();
  auto work = [owned = std::move(*body), earlier = std::move(*entry)] {
    return read_with_earlier(owned, earlier);
  };
  RequestWork reading(n_bytes, std::move(work));
  Api<ResponsesCall> call = co_await reading.run(exchange, context.offload);
  co_return std::move(call);
}

boost::asio::awaitable<Api<bool>> make_response(Generation& generation, ResponseBuilder& builder) {
  while (true) {
    const std::optional<GenerationEvent> event = co_await generation.next();
    if (!event) {
      break;
    }
    if (auto error = finish_error(*event, generation.lease())) {
      co_return refuse(std::move(*error));
    }
    builder.add(*event);
  }
  co_return true;
}

// Streams the response or sends it whole, and keeps it.
class Answering {
 public:
  Answering(Exchange& exchange, ServerContext& context, const ResponsesCall& call)
      : exchange_(exchange), context_(context), call_(call) {}

  Task answer(std::unique_ptr<Generation> generation) {
    const bool is_stream = call_.plan.fields.stream;
    const ResponseOptions options{.id = "resp_" + fresh_request_id(),
                                  .model = generation->lease().name(),
                                  .created_at = unix_seconds(),
                                  .emits = is_stream};
    ResponseBuilder builder(new_response(options, call_), options, call_.one_tool_call);
    GenerationGroup group(exchange_);
    group.add(std::move(generation));
    if (is_stream) {
      co_await stream(group, builder);
    } else {
      co_await send(group[0], builder);
    }
  }

 private:
  Task stream(GenerationGroup& group, ResponseBuilder& builder) {
    EventWriter writer;
    writer.dialect = kDialect;
    writer.add = [&builder](size_t, const GenerationEvent& event) { return builder.add(event); };
    writer.error = [&builder](const ApiError& error) { return builder.fail(error); };
    writer.end = [this, &builder] {
      keep(builder.response());
      return builder.end();
    };
    co_await stream_events(group, writer);
  }

  Task send(Generation& generation, ResponseBuilder& builder) {
    Api<bool> made = co_await make_response(generation, builder);
    if (!made) {
      co_await send_error(exchange_, std::move(made.error()), kDialect);
      co_return;
    }
    keep(builder.response());
    Json body = builder.response();
    co_await send_json(exchange_, std::move(body));
  }

  // The response, and the conversation up to its end.
  void keep(const Json& response) {
    if (!call_.store) {
      return;
    }
    Json items = call_.items;
    items.insert(items.end(), response["output"].begin(), response["output"].end());
    const Json entry = {{"response", response}, {"items", std::move(items)}};
    const auto& id = response["id"].get_ref<const std::string&>();
    context_.responses.put({.salt = exchange_.request().key_salt, .id = id}, dump(entry));
  }

  Exchange& exchange_;
  ServerContext& context_;
  const ResponsesCall& call_;
};

}  // namespace

Task create_response(Exchange& exchange, ServerContext& context) {
  Api<ResponsesCall> call = co_await read_call(exchange, context);
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
  Answering answering(exchange, context, *call);
  co_await answering.answer(std::move(*generation));
}

Task show_response(Exchange& exchange, ServerContext& context) {
  const std::string_view id = exchange.request().path_param("id");
  std::optional<Json> entry = kept(exchange, context, id);
  if (!entry) {
    ApiError error = no_such_response(id);
    co_await send_error(exchange, std::move(error), kDialect);
    co_return;
  }
  Json body = std::move((*entry)["response"]);
  co_await send_json(exchange, std::move(body));
}

Task delete_response(Exchange& exchange, ServerContext& context) {
  const std::string_view id = exchange.request().path_param("id");
  if (!context.responses.erase({.salt = exchange.request().key_salt, .id = id})) {
    ApiError error = no_such_response(id);
    co_await send_error(exchange, std::move(error), kDialect);
    co_return;
  }
  Json body = {{"id", id}, {"object", "response"}, {"deleted", true}};
  co_await send_json(exchange, std::move(body));
}

std::span<const Route> responses_routes() {
  static constexpr std::array<Route, 3> kRoutes = {{
      {"POST", "/v1/responses", create_response, kDialect},
      {"GET", "/v1/responses/{id}", show_response, kDialect, false, true},
      {"DELETE", "/v1/responses/{id}", delete_response, kDialect, false, true},
  }};
  return kRoutes;
}

}  // namespace quern::server
