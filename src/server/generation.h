// Generation: one request's answers being made: n sequences on an engine, their events brought to
// the connection's strand. Used on the exchange's strand only. Owns the lease; borrows exchange and
// context. Its destructor cancels what still runs; so does the client's going away.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model_manager.h"
#include "server/api_error.h"
#include "server/exchange.h"
#include "server/server_context.h"
#include "text/answer_parser.h"

namespace quern::server {

// The scheduling fields that every generating route takes.
struct ScheduleFields {
  int32_t priority = 0;
  std::optional<uint32_t> timeout_ms;
  std::optional<uint32_t> queue_timeout_ms;
  std::optional<uint32_t> first_token_timeout_ms;
};

// The prompts of one request, which wait in the queue side by side.
struct PromptCrowd {
  uint32_t n_prompts = 1;
  uint64_t n_tokens = 0;  // of all of them
};

struct GenerationSpec {
  std::vector<TokenId> prompt;
  SamplingParams sampling;
  uint32_t n_choices = 1;
  uint32_t max_tokens = 0;  // of each choice; 0: as the context allows
  std::vector<std::string> stop;
  std::vector<TokenId> stop_tokens;
  AnswerFormat format;  // how the answer's text is split; the default: all is content
  ScheduleFields schedule;
  std::string cache_salt;                 // the client's; the key's is added
  std::string prompt_field = "messages";  // what a prompt that is too long is called by
  std::optional<PromptCrowd> crowd;       // none: this prompt is alone
};

struct TokenInfo {
  TokenId token = kNoToken;
  std::string bytes = {};  // what the token stands for
  std::optional<float> logprob = {};
  std::vector<TokenLogprob> top = {};  // best first
};

// One step of one choice.
struct GenerationEvent {
  uint32_t choice = 0;
  std::vector<AnswerDelta> deltas = {};
  std::optional<TokenInfo> token = {};      // none in an event that only ends the choice
  std::optional<FinishReason> finish = {};  // in the choice's last event
  FinishCause cause = FinishCause::none;
  std::optional<Error> error = {};  // when finish is error
  RequestUsage usage = {};          // in the last event
};

class Generation {
 public:
  struct Job {
    ModelLease lease;
    GenerationSpec spec;
  };
  // Errors: what EngineThread::submit refuses (context_length_exceeded with both numbers). More
  // choices than an empty queue takes are no error: they begin one after another.
  static Api<std::unique_ptr<Generation>> start(Exchange& exchange, ServerContext& context,
                                                Job job);
  ~Generation();

  // The next event of any choice; none when all have ended.
  boost::asio::awaitable<std::optional<GenerationEvent>> next();
  void cancel();

  const ModelLease& lease() const;
  uint32_t n_prompt_tokens() const;

 private:
  class Impl;
  explicit Generation(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct PromptLength {
  std::string_view field;  // what the prompt is called by
  uint64_t n_tokens = 0;
  bool is_least = false;  // it has so many or more: nobody counted
};
// 400 with both numbers.
ApiError context_exceeded(const PromptLength& length, uint32_t max_context);
// The same for a text that must have too many tokens however it is taken apart, which then need
// not be made.
std::optional<ApiError> cannot_fit(const ModelLease& lease, std::string_view field,
                                   size_t n_text_bytes);

// The model that a request means, and how long it may wait for it.
struct ModelWish {
  std::string name;  // empty: the only one, where there is just one
  ScheduleFields schedule = {};

  ModelWish(std::string wanted, ScheduleFields fields = {})
      : name(std::move(wanted)), schedule(fields) {}
};

// Waits for a model, within the request's deadlines and the server's load time-out; GET
// /v1/requests shows it as queued meanwhile. An unknown model is 404 model_not_found.
boost::asio::awaitable<Api<ModelLease>> acquire_model(Exchange& exchange, ServerContext& context,
                                                      ModelWish wish);

}  // namespace quern::server
