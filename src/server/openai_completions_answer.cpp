#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "server/openai_completions.h"
#include "server/reply.h"

namespace quern::server {
namespace {

double mean_logprob(const ChoiceAnswer& choice) {
  double sum = 0.0;
  for (const TokenInfo& token : choice.tokens) {
    sum += static_cast<double>(token.logprob.value_or(0.0F));
  }
  return choice.tokens.empty() ? -std::numeric_limits<double>::infinity()
                               : sum / static_cast<double>(choice.tokens.size());
}

Json completion_logprobs(const ChoiceAnswer& choice, const TokenTexts& texts, uint64_t n_chars) {
  CompletionLogprobs logprobs(n_chars);
  for (const TokenInfo& token : choice.tokens) {
    if (!texts.is_end(token.token)) {
      logprobs.add(token, texts);
    }
  }
  return logprobs.take();
}

std::string content_of(const GenerationEvent& event) {
  std::string text;
  for (const AnswerDelta& delta : event.deltas) {
    text += delta.text;
  }
  return text;
}

}  // namespace

std::vector<ChoiceAnswer> best_choices(std::vector<ChoiceAnswer> choices, uint32_t n) {
  std::ranges::stable_sort(choices, std::ranges::greater(), mean_logprob);
  choices.resize(std::min<size_t>(n, choices.size()));
  return choices;
}

Json completion_answer(const CompletionAnswerOptions& options,
                       const std::vector<std::vector<ChoiceAnswer>>& choices,
                       const TokenTexts& texts) {
  Json body = head_json(options.head, "text_completion");
  Json list = Json::array();
  for (size_t i = 0; i < choices.size(); ++i) {
    const std::string& echo = options.echo.empty() ? std::string() : options.echo[i];
    for (const ChoiceAnswer& choice : choices[i]) {
      const FinishReason finish = choice.finish.value_or(FinishReason::error);
      list.push_back(
          {{"text", echo + choice.text},
           {"index", list.size()},
           {"logprobs", options.logprobs ? completion_logprobs(choice, texts, 0) : Json()},
           {"finish_reason", openai_finish(finish, false)}});
    }
  }
  body["choices"] = std::move(list);
  return body;
}

CompletionStream::CompletionStream(CompletionAnswerOptions options, size_t n_prompts,
                                   TokenTexts texts)
    : options_(std::move(options)), texts_(texts), choices_(n_prompts * options_.n) {}

std::string CompletionStream::chunk(size_t index, std::string text, Json finish) {
  Choice& choice = choices_[index];
  Json body = head_json(options_.head, "text_completion");
  body["choices"] = Json::array({{{"text", std::move(text)},
                                  {"index", index},
                                  {"logprobs", options_.logprobs ? choice.logprobs.take() : Json()},
                                  {"finish_reason", std::move(finish)}}});
  if (options_.include_usage) {
    body["usage"] = nullptr;
  }
  return sse_event(body);
}

std::string CompletionStream::add(size_t i_prompt, const GenerationEvent& event) {
  const size_t index = i_prompt * options_.n + event.choice;
  QUERN_CHECK(index < choices_.size());
  Choice& choice = choices_[index];
  std::string text;
  if (!choice.has_begun && !options_.echo.empty()) {
    text = options_.echo[i_prompt];
  }
  choice.has_begun = true;
  text += content_of(event);
  if (options_.logprobs && event.token && !texts_.is_end(event.token->token)) {
    choice.logprobs.add(*event.token, texts_);
  }
  if (event.finish) {
    usage_.add(event.choice, event.usage);
    return chunk(index, std::move(text), openai_finish(*event.finish, false));
  }
  return text.empty() ? std::string() : chunk(index, std::move(text), nullptr);
}

std::string CompletionStream::end() const {
  std::string text;
  if (options_.include_usage) {
    Json body = head_json(options_.head, "text_completion");
    body["choices"] = Json::array();
    body["usage"] = usage_json(usage_);
    text += sse_event(body);
  }
  return text + sse_event(std::string_view("[DONE]"));
}

}  // namespace quern::server
