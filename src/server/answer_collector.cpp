#include "server/answer_collector.h"

#include <array>
#include <random>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace quern::server {

AnswerCollector::AnswerCollector(CollectOptions options) : options_(options) {
  choices_.resize(options.n_choices);
}

void AnswerCollector::add_delta(ChoiceAnswer& choice, AnswerDelta delta) const {
  using Kind = AnswerDelta::Kind;
  switch (delta.kind) {
    case Kind::content:
      choice.text += delta.text;
      return;
    case Kind::reasoning:
      choice.reasoning += delta.text;
      return;
    default:
      break;
  }
  if (options_.one_tool_call && delta.tool_index > 0) {
    return;
  }
  if (delta.kind == Kind::tool_call_begin) {
    choice.tool_calls.push_back(
        {.id = make_tool_call_id(), .name = std::move(delta.text), .arguments = {}});
  } else if (delta.kind == Kind::tool_call_arguments && !choice.tool_calls.empty()) {
    choice.tool_calls.back().arguments += delta.text;
  }
}

void AnswerCollector::add(GenerationEvent event) {
  QUERN_CHECK(event.choice < choices_.size());
  ChoiceAnswer& choice = choices_[event.choice];
  for (AnswerDelta& delta : event.deltas) {
    add_delta(choice, std::move(delta));
  }
  if (options_.keep_tokens && event.token) {
    choice.tokens.push_back(std::move(*event.token));
  }
  if (event.finish) {
    choice.finish = event.finish;
    choice.usage = event.usage;
  }
}

std::optional<ApiError> finish_error(const GenerationEvent& event, const ModelLease& lease) {
  if (!event.finish || *event.finish == FinishReason::stop ||
      *event.finish == FinishReason::length) {
    return std::nullopt;
  }
  const Error unknown{
      .kind = ErrorKind::device, .where = "engine", .what = "the request failed", .expected = {}};
  ApiError error = from_finish(*event.finish, event.cause, event.error.value_or(unknown));
  if (error.status == 429) {
    error.retry_after_s = lease.engine().retry_after_s();
  }
  return error;
}

boost::asio::awaitable<Api<std::vector<ChoiceAnswer>>> collect_answers(Generation& generation,
                                                                       CollectOptions options) {
  AnswerCollector collector(options);
  while (true) {
    std::optional<GenerationEvent> event = co_await generation.next();
    if (!event) {
      break;
    }
    if (auto error = finish_error(*event, generation.lease())) {
      co_return refuse(std::move(*error));
    }
    collector.add(std::move(*event));
  }
  std::vector<ChoiceAnswer> choices = collector.take();
  for (const ChoiceAnswer& choice : choices) {
    if (!choice.finish) {  // the client went away
      const Error none;
      co_return refuse(from_finish(FinishReason::cancelled, FinishCause::none, none));
    }
  }
  co_return choices;
}

void UsageTotals::add(uint32_t choice, const RequestUsage& usage) {
  if (choice == 0) {
    prompt_tokens += usage.prompt_tokens;
    cached_tokens += usage.cached_tokens;
  }
  completion_tokens += usage.completion_tokens;
}

UsageTotals total_usage(std::span<const ChoiceAnswer> choices) {
  UsageTotals totals;
  for (uint32_t i = 0; i < choices.size(); ++i) {
    totals.add(i, choices[i].usage);
  }
  return totals;
}

std::string make_tool_call_id() {
  constexpr std::string_view kLetters =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  constexpr size_t kLength = 9;
  std::random_device device;
  std::uniform_int_distribution<size_t> letter(0, kLetters.size() - 1);
  std::string id;
  for (size_t i = 0; i < kLength; ++i) {
    id += kLetters[letter(device)];
  }
  return id;
}

}  // namespace quern::server
