#include "server/ollama_answer.h"

#include <algorithm>
#include <utility>

#include "server/ollama_time.h"

namespace quern::server {
namespace {

constexpr int64_t kNanosPerMicro = 1000;

// Nanoseconds between two points in time that may not have come.
int64_t span_ns(int64_t from_us, int64_t to_us) {
  return from_us == kNever || to_us == kNever
             ? 0
             : std::max<int64_t>(to_us - from_us, 0) * kNanosPerMicro;
}

Json head(const OllamaAnswerOptions& options) {
  return {{"model", options.model}, {"created_at", rfc3339(wall_now())}};
}

Json token_ids_json(const std::vector<TokenId>& tokens) {
  Json list = Json::array();
  for (const TokenId token : tokens) {
    list.push_back(value(token));
  }
  return list;
}

}  // namespace

Json ollama_empty_answer(const OllamaAnswerOptions& options, std::string_view reason) {
  Json json = head(options);
  if (options.is_chat) {
    json["message"] = {{"role", "assistant"}, {"content", ""}};
  } else {
    json["response"] = "";
  }
  json["done"] = true;
  json["done_reason"] = reason;
  return json;
}

OllamaAnswer::OllamaAnswer(OllamaAnswerOptions options, TokenTexts texts)
    : options_(std::move(options)), texts_(texts) {}

// Arguments that are no object cannot be told as a call: they stay what the model wrote.
void OllamaAnswer::end_call() {
  const Call call = std::exchange(call_, {});
  Result<Json> arguments = parse_json(call.arguments);
  if (!arguments || !arguments->is_object()) {
    text_ += call.name + call.arguments;
    return;
  }
  tool_calls_.push_back(
      {{"id", make_tool_call_id()},
       {"function",
        {{"index", n_calls_++}, {"name", call.name}, {"arguments", std::move(*arguments)}}}});
}

void OllamaAnswer::add_delta(const AnswerDelta& delta) {
  switch (delta.kind) {
    case AnswerDelta::Kind::content:
      text_ += delta.text;
      return;
    case AnswerDelta::Kind::reasoning:
      thinking_ += delta.text;
      return;
    case AnswerDelta::Kind::tool_call_begin:
      call_ = {.name = delta.text, .arguments = {}};
      return;
    case AnswerDelta::Kind::tool_call_arguments:
      call_.arguments += delta.text;
      return;
    case AnswerDelta::Kind::tool_call_end:
      end_call();
      return;
  }
}

void OllamaAnswer::add(const GenerationEvent& event) {
  for (const AnswerDelta& delta : event.deltas) {
    add_delta(delta);
  }
  if (event.token) {
    if (options_.logprobs && !texts_.is_end(event.token->token)) {
      logprobs_.push_back(chat_logprob(*event.token, texts_));
    }
    if (options_.context) {
      options_.context->push_back(event.token->token);
    }
  }
  if (event.finish) {
    finish_ = *event.finish;
    usage_ = event.usage;
  }
}

bool OllamaAnswer::has_piece() const {
  return !text_.empty() || !thinking_.empty() || !tool_calls_.empty();
}

Json OllamaAnswer::body(bool is_done) {
  Json json = head(options_);
  Json piece = {{options_.is_chat ? "content" : "response", std::exchange(text_, {})}};
  if (!thinking_.empty()) {
    piece["thinking"] = std::exchange(thinking_, {});
  }
  if (!tool_calls_.empty()) {
    piece["tool_calls"] = std::exchange(tool_calls_, {});
  }
  if (options_.is_chat) {
    Json message = {{"role", "assistant"}};
    message.update(piece);
    json["message"] = std::move(message);
  } else {
    json.update(piece);
  }
  json["done"] = is_done;
  if (!logprobs_.empty()) {
    json["logprobs"] = std::exchange(logprobs_, {});
  }
  return json;
}

Json OllamaAnswer::take() {
  return body(false);
}

void OllamaAnswer::put_numbers(Json& json, int64_t now_us) const {
  json["total_duration"] = span_ns(options_.arrival_us, now_us);
  json["load_duration"] = options_.load_us * kNanosPerMicro;
  json["prompt_eval_count"] = usage_.prompt_tokens;
  json["prompt_eval_duration"] = span_ns(usage_.started_us, usage_.first_token_us);
  json["eval_count"] = usage_.completion_tokens;
  json["eval_duration"] = span_ns(usage_.first_token_us, usage_.finished_us);
  json["cached_count"] = usage_.cached_tokens;
  json["seed"] = static_cast<int64_t>(options_.seed);
}

Json OllamaAnswer::end(int64_t now_us) {
  Json json = body(true);
  json["done_reason"] = to_string(finish_);
  if (options_.context) {
    json["context"] = token_ids_json(*options_.context);
  }
  put_numbers(json, now_us);
  return json;
}

}  // namespace quern::server
