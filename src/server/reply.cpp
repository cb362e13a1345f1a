#include "server/reply.h"

#include <chrono>
#include <utility>

namespace quern::server {

Task send_json(Exchange& exchange, Json body) {
  std::string text = dump(body);
  co_await send_json_text(exchange, std::move(text));
}

Task send_json_text(Exchange& exchange, std::string body) {
  HttpResponse response;
  response.body = std::move(body);
  co_await exchange.send(std::move(response));
}

Task send_error(Exchange& exchange, ApiError error, Dialect dialect) {
  HttpResponse response = error_response(error, dialect);
  co_await exchange.send(std::move(response));
}

std::string sse_event(const Json& json) {
  return sse_event(std::string_view(dump(json)));
}

std::string sse_event(std::string_view data) {
  std::string event = "data: ";
  event += data;
  event += "\n\n";
  return event;
}

int64_t unix_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

}  // namespace quern::server
