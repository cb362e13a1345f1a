#include "server/api_error.h"

#include <filesystem>
#include <string_view>
#include <utility>

#include "server/json.h"

namespace quern::server {
namespace {

constexpr uint32_t kRetryAfterFaultS = 5;  // faults of the machine pass, or they do not

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

// Anthropic's own words for each status.
std::string_view anthropic_type(unsigned status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 499:
      return "cancelled";
    case 503:
      return "overloaded_error";
    case 504:
      return "timeout_error";
    default:
      return status >= 400 && status < 500 ? "invalid_request_error" : "api_error";
  }
}

Json error_json(const ApiError& error, Dialect dialect) {
  switch (dialect) {
    case Dialect::ollama:
      return {{"error", error.message}};
    case Dialect::anthropic:
      return {{"type", "error"},
              {"error", {{"type", anthropic_type(error.status)}, {"message", error.message}}}};
    case Dialect::openai:
    case Dialect::plain:
      break;
  }
  return {{"error",
           {{"message", error.message},
            {"type", error.type},
            {"param", text_or_null(error.param)},
            {"code", text_or_null(error.code)}}}};
}

// Without the subsystem, which clients do not know, and without folders, which are not for them.
std::string told(Error error) {
  error.where.clear();
  error.file = std::filesystem::path(error.file).filename().string();
  constexpr std::string_view kEmptyTag = "[] ";
  return error.to_string().substr(kEmptyTag.size());
}

ApiError from_cause(FinishCause cause, const Error& error) {
  switch (cause) {
    case FinishCause::queue_full:
    case FinishCause::queue_tokens_full:
    case FinishCause::displaced:
      return {.status = 429,
              .type = "rate_limit_error",
              .code = std::string(to_string(cause)),
              .message = cause == FinishCause::displaced
                             ? "more important work took this request's place in the full queue; "
                               "expected to be tried again later"
                             : "the queue is full; expected to be tried again later",
              .retry_after_s = 1};
    default:
      return from_error(error);
  }
}

}  // namespace

ApiError bad_field(std::string_view param, std::string message) {
  return {.code = "invalid_value", .param = std::string(param), .message = std::move(message)};
}

ApiError unavailable(std::string code, std::string message, uint32_t retry_after_s) {
  return {.status = 503,
          .type = "service_unavailable",
          .code = std::move(code),
          .message = std::move(message),
          .retry_after_s = retry_after_s};
}

ApiError from_error(const Error& error) {
  std::string message = told(error);
  switch (error.kind) {
    case ErrorKind::not_found:
      return {.status = 404, .code = "not_found", .message = std::move(message)};
    case ErrorKind::unsupported:
      return {.code = "unsupported", .message = std::move(message)};
    case ErrorKind::out_of_memory:
      return unavailable("out_of_memory", std::move(message), kRetryAfterFaultS);
    case ErrorKind::io:
      return unavailable("io_error", std::move(message), kRetryAfterFaultS);
    case ErrorKind::device:
      return unavailable("device_error", std::move(message), kRetryAfterFaultS);
    case ErrorKind::cancelled:
      return {
          .status = 499, .type = "cancelled", .code = "cancelled", .message = std::move(message)};
    case ErrorKind::invalid_input:
    case ErrorKind::usage:
      break;
  }
  return {.code = "invalid_request", .message = std::move(message)};
}

ApiError from_finish(FinishReason reason, FinishCause cause, const Error& error) {
  switch (reason) {
    case FinishReason::timeout:
      return {.status = 504,
              .type = "timeout_error",
              .code = std::string(to_string(cause)),
              .message = "the request's deadline passed (" + std::string(to_string(cause)) + ")"};
    case FinishReason::cancelled:
      return {.status = 499,
              .type = "cancelled",
              .code = "cancelled",
              .message = "the request was cancelled"};
    case FinishReason::error:
      return from_cause(cause, error);
    case FinishReason::stop:
    case FinishReason::length:
      break;
  }
  return {.status = 500,
          .type = "server_error",
          .code = "internal_error",
          .message = "the answer ended without a token"};
}

std::string error_body(const ApiError& error, Dialect dialect) {
  return dump(error_json(error, dialect));
}

HttpResponse error_response(const ApiError& error, Dialect dialect) {
  HttpResponse response;
  response.status = error.status;
  response.body = error_body(error, dialect);
  if (error.retry_after_s) {
    response.headers.emplace_back("Retry-After", std::to_string(*error.retry_after_s));
  }
  return response;
}

}  // namespace quern::server
