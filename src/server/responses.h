// POST /v1/responses, GET and DELETE /v1/responses/{id}: reading the requests, building the
// answers. The functions are pure; a ResponseBuilder belongs to one answer and is used on its
// strand. Source of the shapes: OpenAI's API reference, "Responses" and "Streaming events".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/answer_collector.h"
#include "server/chat_start.h"

namespace quern::server {

struct ResponsesCall {
  ChatPlan plan;
  Json items = Json::array();  // of the conversation so far, for the store
  Json echo = Json::object();  // what of the request its answer repeats
  bool store = true;
  bool one_tool_call = false;  // parallel_tool_calls is false
};

// `earlier`: the items of the response that previous_response_id names; empty without one.
Api<ResponsesCall> read_responses_call(const Json& body, const Json& earlier);

// "input" and "instructions", after the earlier items.
void read_response_input(Fields& fields, const Json& earlier, ResponsesCall& out);
// "tools", "tool_choice", "parallel_tool_calls".
void read_response_tools(Fields& fields, ResponsesCall& out);

struct ResponseOptions {
  std::string id;
  std::string model;
  int64_t created_at = 0;
  bool emits = false;  // whether anybody wants the events
};

// The response before any of its output.
Json new_response(const ResponseOptions& options, const ResponsesCall& call);

class ResponseBuilder {
 public:
  ResponseBuilder(Json response, const ResponseOptions& options, bool one_tool_call);

  // Server-sent events, empty when nobody wants them.
  std::string add(const GenerationEvent& event);
  // The last one, with the whole response.
  std::string end();
  std::string fail(const ApiError& error);

  const Json& response() const { return response_; }

 private:
  enum class Open : uint8_t { none, message, reasoning, call };

  std::string event(std::string_view type, Json members);
  std::string item_event(std::string_view type, Json members);
  std::string begin();
  std::string add_delta(const AnswerDelta& delta);
  std::string add_text(Open kind, const std::string& delta);
  std::string open_text(Open kind);
  std::string open_call(const std::string& name);
  std::string close();
  std::string close_text();
  void count_reasoning(const GenerationEvent& event);
  void finish(FinishReason reason, const RequestUsage& usage);

  Json response_;
  const bool emits_;
  const bool one_tool_call_;
  Open open_ = Open::none;
  Json item_;         // the open one
  std::string text_;  // its text or arguments so far
  bool has_begun_ = false;
  bool is_cut_ = false;        // the answer ends before the model ended it
  bool is_reasoning_ = false;  // the last text was
  uint64_t n_events_ = 0;
  uint64_t n_reasoning_tokens_ = 0;
};

Task create_response(Exchange& exchange, ServerContext& context);
Task show_response(Exchange& exchange, ServerContext& context);
Task delete_response(Exchange& exchange, ServerContext& context);

}  // namespace quern::server
