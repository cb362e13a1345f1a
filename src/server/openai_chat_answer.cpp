#include <utility>

#include "base/check.h"
#include "server/openai_chat.h"
#include "server/reply.h"

namespace quern::server {
namespace {

Json tool_calls_json(const std::vector<ToolCallAnswer>& calls) {
  Json list = Json::array();
  for (const ToolCallAnswer& call : calls) {
    list.push_back({{"id", call.id},
                    {"type", "function"},
                    {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  return list;
}

Json message_json(const ChoiceAnswer& choice) {
  const bool is_call = !choice.tool_calls.empty();
  Json message = {{"role", "assistant"},
                  {"content", is_call && choice.text.empty() ? Json() : Json(choice.text)},
                  {"refusal", nullptr}};
  if (!choice.reasoning.empty()) {
    message["reasoning_content"] = choice.reasoning;
  }
  if (is_call) {
    message["tool_calls"] = tool_calls_json(choice.tool_calls);
  }
  return message;
}

Json answer_logprobs(const ChoiceAnswer& choice, const TokenTexts& texts) {
  std::vector<Json> content;
  for (const TokenInfo& token : choice.tokens) {
    if (!texts.is_end(token.token)) {
      content.push_back(chat_logprob(token, texts));
    }
  }
  return chat_logprobs(std::move(content));
}

void append(Json& delta, const char* name, const std::string& text) {
  if (!delta.contains(name)) {
    delta[name] = "";
  }
  delta[name].get_ref<std::string&>() += text;
}

// Pieces of one call within a chunk are put together.
void append_tool_call(Json& delta, const AnswerDelta& piece) {
  Json& calls = delta["tool_calls"];
  if (piece.kind == AnswerDelta::Kind::tool_call_begin) {
    calls.push_back({{"index", piece.tool_index},
                     {"id", make_tool_call_id()},
                     {"type", "function"},
                     {"function", {{"name", piece.text}, {"arguments", ""}}}});
    return;
  }
  if (calls.empty() || calls.back()["index"] != piece.tool_index) {
    calls.push_back({{"index", piece.tool_index}, {"function", {{"arguments", ""}}}});
  }
  calls.back()["function"]["arguments"].get_ref<std::string&>() += piece.text;
}

}  // namespace

Json chat_answer(const ChatAnswerOptions& options, const std::vector<ChoiceAnswer>& choices,
                 const TokenTexts& texts) {
  Json body = head_json(options.head, "chat.completion");
  Json list = Json::array();
  for (const ChoiceAnswer& choice : choices) {
    const FinishReason finish = choice.finish.value_or(FinishReason::error);
    list.push_back({{"index", list.size()},
                    {"message", message_json(choice)},
                    {"logprobs", options.logprobs ? answer_logprobs(choice, texts) : Json()},
                    {"finish_reason", openai_finish(finish, !choice.tool_calls.empty())}});
  }
  body["choices"] = std::move(list);
  body["usage"] = usage_json(total_usage(choices));
  return body;
}

ChatStream::ChatStream(ChatAnswerOptions options, uint32_t n_choices, TokenTexts texts)
    : options_(std::move(options)), texts_(texts), choices_(n_choices) {}

Json ChatStream::delta_of(const GenerationEvent& event, Choice& choice) const {
  Json delta = Json::object();
  for (const AnswerDelta& piece : event.deltas) {
    switch (piece.kind) {
      case AnswerDelta::Kind::content:
        append(delta, "content", piece.text);
        break;
      case AnswerDelta::Kind::reasoning:
        append(delta, "reasoning_content", piece.text);
        break;
      case AnswerDelta::Kind::tool_call_end:
        break;
      default:
        if (!options_.one_tool_call || piece.tool_index == 0) {
          choice.has_tool_calls = true;
          append_tool_call(delta, piece);
        }
    }
  }
  return delta;
}

void ChatStream::keep_logprob(const GenerationEvent& event, Choice& choice) const {
  if (options_.logprobs && event.token && !texts_.is_end(event.token->token)) {
    choice.logprobs.push_back(chat_logprob(*event.token, texts_));
  }
}

std::string ChatStream::chunk(uint32_t index, Json delta, Json rest) const {
  Json body = head_json(options_.head, "chat.completion.chunk");
  Json choice = {{"index", index}, {"delta", std::move(delta)}};
  choice.update(rest);
  body["choices"] = Json::array({std::move(choice)});
  if (options_.include_usage) {
    body["usage"] = nullptr;
  }
  return sse_event(body);
}

std::string ChatStream::add(const GenerationEvent& event) {
  QUERN_CHECK(event.choice < choices_.size());
  Choice& choice = choices_[event.choice];
  std::string text;
  if (!choice.has_begun) {
    choice.has_begun = true;
    text += chunk(event.choice, {{"role", "assistant"}, {"content", ""}},
                  {{"logprobs", nullptr}, {"finish_reason", nullptr}});
  }
  keep_logprob(event, choice);
  Json delta = delta_of(event, choice);
  if (!delta.empty() || (event.finish && !choice.logprobs.empty())) {
    Json logprobs = options_.logprobs ? chat_logprobs(std::exchange(choice.logprobs, {})) : Json();
    text += chunk(event.choice, std::move(delta),
                  {{"logprobs", std::move(logprobs)}, {"finish_reason", nullptr}});
  }
  if (event.finish) {
    usage_.add(event.choice, event.usage);
    text += chunk(event.choice, Json::object(),
                  {{"logprobs", nullptr},
                   {"finish_reason", openai_finish(*event.finish, choice.has_tool_calls)}});
  }
  return text;
}

std::string ChatStream::end() const {
  std::string text;
  if (options_.include_usage) {
    Json body = head_json(options_.head, "chat.completion.chunk");
    body["choices"] = Json::array();
    body["usage"] = usage_json(usage_);
    text += sse_event(body);
  }
  return text + sse_event(std::string_view("[DONE]"));
}

}  // namespace quern::server
