// ApiError: why a request is refused, in terms of HTTP; each dialect writes it in its own shape.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "engine/request.h"
#include "server/http_types.h"

namespace quern::server {

struct ApiError {
  unsigned status = 400;
  std::string type = "invalid_request_error";  // OpenAI's words; mapped for Anthropic
  std::string code = {};                       // may be empty
  std::string param = {};                      // the field at fault; may be empty
  std::string message = {};
  std::optional<uint32_t> retry_after_s = {};  // sent as Retry-After
};

template <typename T>
using Api = std::expected<T, ApiError>;

inline std::unexpected<ApiError> refuse(ApiError error) {
  return std::unexpected<ApiError>(std::move(error));
}

// 400 naming a field: "temperature is 7; expected a number from 0 to 2".
ApiError bad_field(std::string_view param, std::string message);
// 503, of which another try may be answered.
ApiError unavailable(std::string code, std::string message, uint32_t retry_after_s);
// invalid_input 400, not_found 404, unsupported 400, out_of_memory, io and device 503 with advice
// to retry.
ApiError from_error(const Error& error);
// How a request that ended before its first byte is answered: 504 for deadlines, 429 for a full
// queue, 499 for a cancelled one, 503 or 500 for faults.
ApiError from_finish(FinishReason reason, FinishCause cause, const Error& error);

HttpResponse error_response(const ApiError& error, Dialect dialect);
// The JSON object alone, for an error inside a stream.
std::string error_body(const ApiError& error, Dialect dialect);

}  // namespace quern::server
