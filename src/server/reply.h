// Answers in JSON and pieces of event streams, for all dialects. Thread-safe; owns nothing.
#pragma once

#include <string>

#include "server/api_error.h"
#include "server/exchange.h"
#include "server/json.h"

namespace quern::server {

Task send_json(Exchange& exchange, Json body);
Task send_json_text(Exchange& exchange, std::string body);
Task send_error(Exchange& exchange, ApiError error, Dialect dialect);

// One server-sent event without a name: "data: {...}" and an empty line.
std::string sse_event(const Json& json);
std::string sse_event(std::string_view data);

// Wall-clock seconds since 1970, for "created".
int64_t unix_seconds();

}  // namespace quern::server
