// The routes that are no model API: health, metrics, live requests, the OpenAPI document.
#include <array>
#include <utility>

#include "base/system_info.h"
#include "server/api_error.h"
#include "server/health.h"
#include "server/live_requests.h"
#include "server/metrics_page.h"
#include "server/openapi.h"
#include "server/reply.h"
#include "server/route.h"
#include "text/printable.h"

namespace quern::server {
namespace {

constexpr uint32_t kReadyRetryS = 2;

Task health(Exchange& exchange, ServerContext& context) {
  Json body = health_json(context);
  co_await send_json(exchange, std::move(body));
}

Task health_live(Exchange& exchange, ServerContext& /*context*/) {
  Json body = {{"status", "live"}};
  co_await send_json(exchange, std::move(body));
}

Task health_ready(Exchange& exchange, ServerContext& context) {
  const Health health = health_of(context, context.models.status());
  const Json body = {{"status", to_string(health.state)}, {"reason", health.reason}};
  HttpResponse response;
  response.body = dump(body);
  if (health.state != ServerState::ready) {
    response.status = 503;
    response.headers.emplace_back("Retry-After", std::to_string(kReadyRetryS));
  }
  co_await exchange.send(std::move(response));
}

Task metrics(Exchange& exchange, ServerContext& context) {
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = metrics_page(context);
  co_await exchange.send(std::move(response));
}

std::string_view name(LiveRequest::State state) {
  switch (state) {
    case LiveRequest::State::queued:
      return "queued";
    case LiveRequest::State::prefill:
      return "prefill";
    case LiveRequest::State::decode:
      break;
  }
  return "decode";
}

Task list_requests(Exchange& exchange, ServerContext& context) {
  Json data = Json::array();
  for (const LiveRequests::Row& row :
       context.live.list(exchange.request().key_salt, monotonic_us())) {
    data.push_back({{"id", row.request_id},
                    {"state", name(row.state)},
                    {"priority", row.priority},
                    {"position", row.position},
                    {"prompt_tokens", row.n_prompt_tokens},
                    {"completion_tokens", row.n_completion_tokens},
                    {"age_ms", row.age_us / 1000},
                    {"model", row.model}});
  }
  Json body = {{"object", "list"}, {"data", std::move(data)}};
  co_await send_json(exchange, std::move(body));
}

Task cancel_request(Exchange& exchange, ServerContext& context) {
  const std::string id(exchange.request().path_param("id"));
  if (!context.live.cancel({.key_salt = exchange.request().key_salt, .request_id = id})) {
    ApiError error;
    error.status = 404;
    error.type = "not_found_error";
    error.code = "unknown_request";
    error.message = "there is no live request " + printable(id) +
                    "; expected an id that GET /v1/requests lists";
    co_await send_error(exchange, std::move(error), Dialect::openai);
    co_return;
  }
  Json body = {{"id", id}, {"cancelled", true}};
  co_await send_json(exchange, std::move(body));
}

Task openapi(Exchange& exchange, ServerContext& /*context*/) {
  HttpResponse response;
  response.body = openapi_document();
  co_await exchange.send(std::move(response));
}

constexpr std::array<Route, 7> kRoutes = {{
    {.method = "GET", .pattern = "/health", .handler = health, .while_draining = true},
    {.method = "GET",
     .pattern = "/health/live",
     .handler = health_live,
     .is_open = true,
     .while_draining = true},
    {.method = "GET",
     .pattern = "/health/ready",
     .handler = health_ready,
     .is_open = true,
     .while_draining = true},
    {.method = "GET", .pattern = "/metrics", .handler = metrics, .while_draining = true},
    {.method = "GET",
     .pattern = "/v1/requests",
     .handler = list_requests,
     .dialect = Dialect::openai,
     .while_draining = true},
    {.method = "DELETE",
     .pattern = "/v1/requests/{id}",
     .handler = cancel_request,
     .dialect = Dialect::openai,
     .while_draining = true},
    {.method = "GET", .pattern = "/openapi.json", .handler = openapi, .while_draining = true},
}};

}  // namespace

std::span<const Route> admin_routes() {
  return kRoutes;
}

}  // namespace quern::server
