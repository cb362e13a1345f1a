// AnswerCollector: puts the events of generations together to whole answers, one for each choice.
// Not thread-safe: used on the exchange's strand. Owns what it collects.
//
//   Api<std::vector<ChoiceAnswer>> answers = co_await collect_answers(generation, {.n_choices =
//   n}); if (!answers) -> the error to answer with (429, 499, 503, 504 ...)
//
// Streams look at each event themselves and share only finish_error() and make_tool_call_id().
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/generation.h"

namespace quern::server {

struct ToolCallAnswer {
  std::string id;
  std::string name;
  std::string arguments;  // JSON, as the model wrote it
};

struct ChoiceAnswer {
  std::string text = {};
  std::string reasoning = {};
  std::vector<ToolCallAnswer> tool_calls = {};
  std::vector<TokenInfo> tokens = {};  // with keep_tokens
  std::optional<FinishReason> finish = {};
  RequestUsage usage = {};
};

struct CollectOptions {
  uint32_t n_choices = 1;
  bool keep_tokens = false;    // for logprobs
  bool one_tool_call = false;  // further calls are left out
};

class AnswerCollector {
 public:
  explicit AnswerCollector(CollectOptions options);
  void add(GenerationEvent event);
  std::vector<ChoiceAnswer> take() { return std::move(choices_); }

 private:
  void add_delta(ChoiceAnswer& choice, AnswerDelta delta) const;

  CollectOptions options_;
  std::vector<ChoiceAnswer> choices_;
};

// Of a choice that ended without an answer that can be sent whole: a deadline, a cancel, a fault.
// A 429 has the engine's estimate in Retry-After.
std::optional<ApiError> finish_error(const GenerationEvent& event, const ModelLease& lease);

// Takes a generation's events to its end; the first choice that fails decides.
boost::asio::awaitable<Api<std::vector<ChoiceAnswer>>> collect_answers(Generation& generation,
                                                                       CollectOptions options);

// One prompt, counted once; the answers' tokens of all choices.
struct UsageTotals {
  uint64_t prompt_tokens = 0;
  uint64_t cached_tokens = 0;  // of the first choice: the others find the prompt that it computed
  uint64_t completion_tokens = 0;

  void add(uint32_t choice, const RequestUsage& usage);
};
UsageTotals total_usage(std::span<const ChoiceAnswer> choices);

// 9 letters and digits, all that Mistral's templates take.
std::string make_tool_call_id();

}  // namespace quern::server
