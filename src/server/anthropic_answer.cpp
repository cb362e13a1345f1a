#include <utility>

#include "server/anthropic.h"
#include "server/reply.h"

namespace quern::server {
namespace {

// Where the message says nothing of the prompt cache yet.
Json message_json(const MessageOptions& options, Json content, Json usage) {
  return {{"id", options.id},
          {"type", "message"},
          {"role", "assistant"},
          {"model", options.model},
          {"content", std::move(content)},
          {"stop_reason", nullptr},
          {"stop_sequence", nullptr},
          {"usage", std::move(usage)},
          {"seed", static_cast<int64_t>(options.seed)}};
}

std::string named_event(const Json& json) {
  return "event: " + json["type"].get<std::string>() + "\n" + sse_event(json);
}

// Input that is no object cannot be told as a call: it stays what the model wrote.
Json tool_block(const ToolCallAnswer& call) {
  Result<Json> input = parse_json(call.arguments);
  if (!input || !input->is_object()) {
    return {{"type", "text"}, {"text", call.name + call.arguments}};
  }
  return {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", std::move(*input)}};
}

}  // namespace

std::string_view stop_reason(FinishReason reason, bool has_tool_calls, bool has_stop_sequence) {
  switch (reason) {
    case FinishReason::stop:
      if (has_stop_sequence) {
        return "stop_sequence";
      }
      return has_tool_calls ? "tool_use" : "end_turn";
    case FinishReason::length:
      return "max_tokens";
    default:
      return to_string(reason);
  }
}

Json anthropic_usage(const RequestUsage& usage) {
  return {{"input_tokens", usage.prompt_tokens - usage.cached_tokens},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", usage.cached_tokens},
          {"output_tokens", usage.completion_tokens}};
}

Json message_answer(const MessageOptions& options, const ChoiceAnswer& choice,
                    const std::optional<std::string>& stop_sequence) {
  Json content = Json::array();
  if (!choice.reasoning.empty()) {
    content.push_back({{"type", "thinking"}, {"thinking", choice.reasoning}, {"signature", ""}});
  }
  if (!choice.text.empty()) {
    content.push_back({{"type", "text"}, {"text", choice.text}});
  }
  bool has_tool_calls = false;
  for (const ToolCallAnswer& call : choice.tool_calls) {
    content.push_back(tool_block(call));
    has_tool_calls = has_tool_calls || content.back()["type"] == "tool_use";
  }
  Json json = message_json(options, std::move(content), anthropic_usage(choice.usage));
  json["stop_reason"] = stop_reason(choice.finish.value_or(FinishReason::error), has_tool_calls,
                                    stop_sequence.has_value());
  if (stop_sequence) {
    json["stop_sequence"] = *stop_sequence;
  }
  return json;
}

MessageStream::MessageStream(MessageOptions options, StopFinder stops)
    : options_(std::move(options)), stops_(std::move(stops)) {}

std::string MessageStream::begin() const {
  RequestUsage usage;
  usage.prompt_tokens = options_.n_prompt_tokens;  // what of it was cached is told at the end
  const Json start = {{"type", "message_start"},
                      {"message", message_json(options_, Json::array(), anthropic_usage(usage))}};
  return named_event(start) + named_event({{"type", "ping"}});
}

std::string MessageStream::open(Block block, Json content) {
  if (block_ == block && block != Block::tool_use) {
    return {};
  }
  const std::string text = close();
  block_ = block;
  const Json start = {
      {"type", "content_block_start"}, {"index", n_blocks_}, {"content_block", std::move(content)}};
  return text + named_event(start);
}

std::string MessageStream::close() {
  if (block_ == Block::none) {
    return {};
  }
  block_ = Block::none;
  return named_event({{"type", "content_block_stop"}, {"index", n_blocks_++}});
}

std::string MessageStream::block_delta(Json delta) const {
  return named_event(
      {{"type", "content_block_delta"}, {"index", n_blocks_}, {"delta", std::move(delta)}});
}

std::string MessageStream::add_tool_delta(const AnswerDelta& delta) {
  if (options_.one_tool_call && delta.tool_index > 0) {
    return {};
  }
  switch (delta.kind) {
    case AnswerDelta::Kind::tool_call_begin:
      has_tool_calls_ = true;
      return open(Block::tool_use, {{"type", "tool_use"},
                                    {"id", make_tool_call_id()},
                                    {"name", delta.text},
                                    {"input", Json::object()}});
    case AnswerDelta::Kind::tool_call_arguments:
      return block_delta({{"type", "input_json_delta"}, {"partial_json", delta.text}});
    default:
      return close();
  }
}

std::string MessageStream::add_delta(const AnswerDelta& delta) {
  switch (delta.kind) {
    case AnswerDelta::Kind::content: {
      const std::string text = open(Block::text, {{"type", "text"}, {"text", ""}});
      return text + block_delta({{"type", "text_delta"}, {"text", delta.text}});
    }
    case AnswerDelta::Kind::reasoning: {
      const std::string text =
          open(Block::thinking, {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}});
      return text + block_delta({{"type", "thinking_delta"}, {"thinking", delta.text}});
    }
    default:
      return add_tool_delta(delta);
  }
}

std::string MessageStream::finish(FinishReason reason, const RequestUsage& usage) {
  const std::optional<std::string>& stop = stops_.matched();
  const Json delta = {{"stop_reason", stop_reason(reason, has_tool_calls_, stop.has_value())},
                      {"stop_sequence", stop ? Json(*stop) : Json()}};
  return close() +
         named_event(
             {{"type", "message_delta"}, {"delta", delta}, {"usage", anthropic_usage(usage)}});
}

std::string MessageStream::add(const GenerationEvent& event) {
  std::string text;
  if (!has_begun_) {
    has_begun_ = true;
    text += begin();
  }
  stops_.add(event);
  for (const AnswerDelta& delta : event.deltas) {
    text += add_delta(delta);
  }
  if (event.finish) {
    text += finish(*event.finish, event.usage);
  }
  return text;
}

std::string MessageStream::end() const {
  return named_event({{"type", "message_stop"}});
}

}  // namespace quern::server
