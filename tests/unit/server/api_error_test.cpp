// Errors in each dialect's shape. Sources: OpenAI's API reference ("Error object"), Ollama's
// docs/api.md, Anthropic's API reference ("Errors"); statuses from the contract.
#include "server/api_error.h"

#include <gtest/gtest.h>

#include "server/json.h"

namespace quern::server {
namespace {

Json body_of(const ApiError& error, Dialect dialect) {
  return parse_json(error_body(error, dialect)).value();
}

TEST(ErrorBody, HasEachDialectsShape) {
  const ApiError error = bad_field("top_p", "top_p is 2; expected a number from 0 to 1");
  EXPECT_EQ(body_of(error, Dialect::openai),
            Json::parse(R"({"error":{"message":"top_p is 2; expected a number from 0 to 1",
              "type":"invalid_request_error","param":"top_p","code":"invalid_value"}})"));
  EXPECT_EQ(body_of(error, Dialect::plain), body_of(error, Dialect::openai));
  EXPECT_EQ(body_of(error, Dialect::ollama),
            Json::parse(R"({"error":"top_p is 2; expected a number from 0 to 1"})"));
  EXPECT_EQ(body_of(error, Dialect::anthropic),
            Json::parse(R"({"type":"error","error":{"type":"invalid_request_error",
              "message":"top_p is 2; expected a number from 0 to 1"}})"));
}

TEST(ErrorBody, LeavesNothingInvalidIn) {
  EXPECT_EQ(body_of({.message = "a\"\n\xFF"}, Dialect::ollama)["error"], "a\"\n\uFFFD");
  EXPECT_TRUE(body_of({.message = "a"}, Dialect::openai)["error"]["param"].is_null());
}

// Anthropic's API reference, "HTTP errors"; 499 and 504 are of this server.
TEST(ErrorBody, HasAnthropicsWordForEachStatus) {
  const auto type = [](unsigned status) {
    return body_of({.status = status, .message = "m"}, Dialect::anthropic)["error"]["type"];
  };
  EXPECT_EQ(type(400), "invalid_request_error");
  EXPECT_EQ(type(401), "authentication_error");
  EXPECT_EQ(type(403), "permission_error");
  EXPECT_EQ(type(404), "not_found_error");
  EXPECT_EQ(type(413), "request_too_large");
  EXPECT_EQ(type(422), "invalid_request_error");
  EXPECT_EQ(type(429), "rate_limit_error");
  EXPECT_EQ(type(499), "cancelled");
  EXPECT_EQ(type(500), "api_error");
  EXPECT_EQ(type(503), "overloaded_error");
  EXPECT_EQ(type(504), "timeout_error");
}

TEST(ErrorStatus, FollowsTheKind) {
  const auto status = [](ErrorKind kind) {
    return from_error({.kind = kind, .where = "x", .what = "y", .expected = {}}).status;
  };
  EXPECT_EQ(status(ErrorKind::invalid_input), 400U);
  EXPECT_EQ(status(ErrorKind::unsupported), 400U);
  EXPECT_EQ(status(ErrorKind::not_found), 404U);
  EXPECT_EQ(status(ErrorKind::out_of_memory), 503U);
  EXPECT_EQ(status(ErrorKind::device), 503U);
  EXPECT_EQ(status(ErrorKind::io), 503U);
  EXPECT_EQ(status(ErrorKind::cancelled), 499U);
}

TEST(ErrorStatus, IsToldWithoutTheSubsystem) {
  EXPECT_EQ(
      from_error({.where = "sampling", .what = "top_p is 2", .expected = "at most 1"}).message,
      "top_p is 2; expected at most 1");
  const ApiError ended = from_finish(FinishReason::error, FinishCause::none,
                                     {.where = "engine", .what = "a\nfault", .expected = ""});
  EXPECT_EQ(ended.message, "a\\nfault");
}

TEST(ErrorStatus, IsToldWithoutTheFolderOfAFile) {
  const Error broken{
      .where = "gguf", .what = "bad magic", .expected = "", .file = "/srv/models/a.gguf"};
  EXPECT_EQ(from_error(broken).message, "'a.gguf': bad magic");
}

TEST(FinishError, TellsDeadlinesQueuesAndCancels) {
  const Error none;
  const ApiError late = from_finish(FinishReason::timeout, FinishCause::queue_timeout, none);
  EXPECT_EQ(late.status, 504U);
  EXPECT_EQ(late.type, "timeout_error");
  EXPECT_EQ(late.code, "queue_timeout");
  const ApiError full = from_finish(FinishReason::error, FinishCause::displaced, none);
  EXPECT_EQ(full.status, 429U);
  EXPECT_EQ(full.code, "displaced");
  for (const FinishCause cause : {FinishCause::queue_full, FinishCause::queue_tokens_full}) {
    const ApiError refused = from_finish(FinishReason::error, cause, none);
    EXPECT_EQ(refused.status, 429U);
    EXPECT_EQ(refused.code, to_string(cause));
    EXPECT_TRUE(refused.retry_after_s.has_value());
  }
  const Error broken{.kind = ErrorKind::device, .where = "x", .what = "y", .expected = {}};
  EXPECT_EQ(from_finish(FinishReason::error, FinishCause::none, broken).status, 503U);
  EXPECT_EQ(from_finish(FinishReason::stop, FinishCause::none, none).status, 500U);
  const ApiError cancelled = from_finish(FinishReason::cancelled, FinishCause::none, none);
  EXPECT_EQ(cancelled.status, 499U);
  EXPECT_EQ(cancelled.type, "cancelled");
}

TEST(ErrorResponse, CarriesRetryAfter) {
  const HttpResponse response =
      error_response({.status = 429, .message = "full", .retry_after_s = 7}, Dialect::openai);
  EXPECT_EQ(response.status, 429U);
  EXPECT_EQ(response.headers, (Headers{{"Retry-After", "7"}}));
}

}  // namespace
}  // namespace quern::server
