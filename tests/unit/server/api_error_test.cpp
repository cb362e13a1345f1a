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

TEST(ErrorStatus, FollowsTheKind) {
  const auto status = [](ErrorKind kind) {
    return from_error({.kind = kind, .where = "x", .what = "y", .expected = {}}).status;
  };
  EXPECT_EQ(status(ErrorKind::invalid_input), 400U);
  EXPECT_EQ(status(ErrorKind::unsupported), 400U);
  EXPECT_EQ(status(ErrorKind::not_found), 404U);
  EXPECT_EQ(status(ErrorKind::out_of_memory), 503U);
  EXPECT_EQ(status(ErrorKind::device), 503U);
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

TEST(FinishError, TellsDeadlinesQueuesAndCancels) {
  const Error none;
  const ApiError late = from_finish(FinishReason::timeout, FinishCause::queue_timeout, none);
  EXPECT_EQ(late.status, 504U);
  EXPECT_EQ(late.type, "timeout_error");
  EXPECT_EQ(late.code, "queue_timeout");
  const ApiError full = from_finish(FinishReason::error, FinishCause::displaced, none);
  EXPECT_EQ(full.status, 429U);
  EXPECT_EQ(full.code, "displaced");
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
