#include <cmath>
#include <utility>

#include "server/reply.h"
#include "server/request_id.h"
#include "server/responses.h"

namespace quern::server {
namespace {

// A float as short as it was written.
Json rounded(const std::optional<float>& number) {
  constexpr double kMillionths = 1e6;
  return number ? Json(std::round(double{*number} * kMillionths) / kMillionths) : Json();
}

std::string fresh_id(std::string_view prefix) {
  return std::string(prefix) + fresh_request_id();
}

Json usage_object(const RequestUsage& usage, uint64_t n_reasoning) {
  return {
      {"input_tokens", usage.prompt_tokens},
      {"input_tokens_details", {{"cached_tokens", usage.cached_tokens}, {"cache_write_tokens", 0}}},
      {"output_tokens", usage.completion_tokens},
      {"output_tokens_details", {{"reasoning_tokens", n_reasoning}}},
      {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
}

}  // namespace

Json new_response(const ResponseOptions& options, const ResponsesCall& call) {
  const OpenAiFields& fields = call.plan.fields;
  Json response = {{"id", options.id},
                   {"object", "response"},
                   {"created_at", options.created_at},
                   {"status", "in_progress"},
                   {"background", false},
                   {"error", nullptr},
                   {"incomplete_details", nullptr},
                   {"max_output_tokens", fields.max_tokens ? Json(*fields.max_tokens) : Json()},
                   {"model", options.model},
                   {"output", Json::array()},
                   {"store", call.store},
                   {"temperature", rounded(fields.sampling.temperature)},
                   {"top_p", rounded(fields.sampling.top_p)},
                   {"text", {{"format", {{"type", "text"}}}, {"verbosity", "medium"}}},
                   {"truncation", "disabled"},
                   {"usage", nullptr},
                   {"seed", static_cast<int64_t>(fields.sampling.seed.value_or(0))}};
  response.update(call.echo);
  return response;
}

ResponseBuilder::ResponseBuilder(Json response, const ResponseOptions& options, bool one_tool_call)
    : response_(std::move(response)), emits_(options.emits), one_tool_call_(one_tool_call) {}

// Numbers the events in the order of its calls, so two never stand in one expression.
std::string ResponseBuilder::event(std::string_view type, Json members) {
  if (!emits_) {
    return {};
  }
  Json json = {{"type", type}, {"sequence_number", n_events_++}};
  json.update(members);
  return "event: " + std::string(type) + "\n" + sse_event(json);
}

// Of the open item.
std::string ResponseBuilder::item_event(std::string_view type, Json members) {
  Json json = {{"item_id", item_["id"]}, {"output_index", response_["output"].size()}};
  json.update(members);
  return event(type, std::move(json));
}

std::string ResponseBuilder::begin() {
  std::string events = event("response.created", {{"response", response_}});
  events += event("response.in_progress", {{"response", response_}});
  return events;
}

std::string ResponseBuilder::open_text(Open kind) {
  std::string events = close();
  open_ = kind;
  Json part;
  if (kind == Open::message) {
    item_ = {{"id", fresh_id("msg_")},
             {"type", "message"},
             {"status", "in_progress"},
             {"role", "assistant"},
             {"content", Json::array()}};
    part = {{"type", "output_text"},
            {"annotations", Json::array()},
            {"logprobs", Json::array()},
            {"text", ""}};
  } else {
    item_ = {{"id", fresh_id("rs_")},
             {"type", "reasoning"},
             {"status", "in_progress"},
             {"summary", Json::array()},
             {"content", Json::array()}};
    part = {{"type", "reasoning_text"}, {"text", ""}};
  }
  events += event("response.output_item.added",
                  {{"output_index", response_["output"].size()}, {"item", item_}});
  events += item_event("response.content_part.added", {{"content_index", 0}, {"part", part}});
  item_["content"].push_back(std::move(part));
  return events;
}

std::string ResponseBuilder::open_call(const std::string& name) {
  const std::string events = close();
  open_ = Open::call;
  item_ = {{"id", fresh_id("fc_")},
           {"type", "function_call"},
           {"status", "in_progress"},
           {"call_id", make_tool_call_id()},
           {"name", name},
           {"arguments", ""}};
  return events + event("response.output_item.added",
                        {{"output_index", response_["output"].size()}, {"item", item_}});
}

std::string ResponseBuilder::close_text() {
  Json& part = item_["content"][0];
  part["text"] = text_;
  Json done = {{"content_index", 0}, {"text", text_}};
  if (open_ == Open::message) {
    done["logprobs"] = Json::array();
  }
  std::string events = item_event(
      open_ == Open::message ? "response.output_text.done" : "response.reasoning_text.done",
      std::move(done));
  events += item_event("response.content_part.done", {{"content_index", 0}, {"part", part}});
  return events;
}

std::string ResponseBuilder::close() {
  if (open_ == Open::none) {
    return {};
  }
  std::string events;
  if (open_ == Open::call) {
    item_["arguments"] = text_;
    events = item_event("response.function_call_arguments.done",
                        {{"name", item_["name"]}, {"arguments", text_}});
  } else {
    events = close_text();
  }
  item_["status"] = is_cut_ ? "incomplete" : "completed";
  events += event("response.output_item.done",
                  {{"output_index", response_["output"].size()}, {"item", item_}});
  response_["output"].push_back(std::move(item_));
  item_ = Json();
  text_.clear();
  open_ = Open::none;
  return events;
}

std::string ResponseBuilder::add_text(Open kind, const std::string& delta) {
  const std::string events = open_ == kind ? std::string() : open_text(kind);
  text_ += delta;
  Json members = {{"content_index", 0}, {"delta", delta}};
  if (kind == Open::message) {
    members["logprobs"] = Json::array();
  }
  return events + item_event(kind == Open::message ? "response.output_text.delta"
                                                   : "response.reasoning_text.delta",
                             std::move(members));
}

std::string ResponseBuilder::add_delta(const AnswerDelta& delta) {
  switch (delta.kind) {
    case AnswerDelta::Kind::content:
      return add_text(Open::message, delta.text);
    case AnswerDelta::Kind::reasoning:
      return add_text(Open::reasoning, delta.text);
    default:
      break;
  }
  if (one_tool_call_ && delta.tool_index > 0) {
    return {};
  }
  if (delta.kind == AnswerDelta::Kind::tool_call_begin) {
    return open_call(delta.text);
  }
  if (delta.kind == AnswerDelta::Kind::tool_call_end) {
    return close();
  }
  text_ += delta.text;
  return item_event("response.function_call_arguments.delta", {{"delta", delta.text}});
}

// Tokens whose text was reasoning, those that showed nothing after one included.
void ResponseBuilder::count_reasoning(const GenerationEvent& event) {
  if (!event.deltas.empty()) {
    is_reasoning_ = event.deltas.back().kind == AnswerDelta::Kind::reasoning;
  }
  n_reasoning_tokens_ += event.token && is_reasoning_ ? 1 : 0;
}

void ResponseBuilder::finish(FinishReason reason, const RequestUsage& usage) {
  if (reason == FinishReason::stop) {
    response_["status"] = "completed";
    response_["completed_at"] = unix_seconds();
  } else {
    response_["status"] = "incomplete";
    response_["incomplete_details"] = {
        {"reason", reason == FinishReason::length ? "max_output_tokens" : to_string(reason)}};
  }
  response_["usage"] = usage_object(usage, n_reasoning_tokens_);
}

std::string ResponseBuilder::add(const GenerationEvent& event) {
  std::string events;
  if (!has_begun_) {
    has_begun_ = true;
    events += begin();
  }
  is_cut_ = event.finish && *event.finish != FinishReason::stop;
  count_reasoning(event);
  for (const AnswerDelta& delta : event.deltas) {
    events += add_delta(delta);
  }
  if (event.finish) {
    if (open_ == Open::none && response_["output"].empty()) {
      events += open_text(Open::message);  // an empty answer is an answer
    }
    events += close();
    finish(*event.finish, event.usage);
  }
  return events;
}

std::string ResponseBuilder::end() {
  const bool is_whole = response_["status"] == "completed";
  return event(is_whole ? "response.completed" : "response.incomplete", {{"response", response_}});
}

std::string ResponseBuilder::fail(const ApiError& error) {
  response_["status"] = "failed";
  response_["error"] = {{"code", "server_error"}, {"message", error.message}};
  return event("response.failed", {{"response", response_}});
}

}  // namespace quern::server
