// What a caller asks of the engine, and what comes back.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "sampling/sampler.h"
#include "sampling/sampling_params.h"
#include "scheduler/finish_reason.h"
#include "scheduler/sequence.h"

namespace quern {

// Numbers of a request that ended.
struct RequestUsage {
  uint32_t prompt_tokens = 0;
  uint32_t cached_tokens = 0;      // of the prompt, taken from the prefix cache
  uint32_t completion_tokens = 0;  // the end token included
  int64_t arrival_us = 0;
  int64_t started_us = kNever;  // when it left the queue
  int64_t first_token_us = kNever;
  int64_t finished_us = 0;
};

// One step of an answer. Spans and views live during the callback only.
struct TokenEvent {
  SeqId id{};
  TokenId token = kNoToken;              // none when the request ended without one
  std::string_view text;                 // whole characters that became safe to show; may be empty
  const SampleResult* sample = nullptr;  // with logprobs where asked for
  std::optional<FinishReason> finish = {};  // set in the last event
  FinishCause cause = FinishCause::none;
  std::string_view error;                    // why, when finish is error
  ErrorKind error_kind = ErrorKind::device;  // whose fault that is
  RequestUsage usage = {};                   // in the last event
};

struct Request {
  std::vector<TokenId> prompt;
  SamplingParams sampling = {};
  uint32_t choice_index = 0;  // which of several answers to one prompt
  uint32_t max_tokens = 0;    // 0: only the prompt is computed
  std::vector<std::string> stop = {};
  std::vector<TokenId> stop_tokens = {};  // end the answer, beside the model's own end tokens
  bool keep_special = false;              // the text of control tokens is part of the answer's
  int32_t priority = 0;                   // lower is served earlier
  Deadlines deadlines = {};
  std::string cache_salt = {};
  std::string client_id = {};  // what the caller calls it, for lists of live requests
  std::function<void(const TokenEvent&)> on_event = {};
  // Called with the logits after every prompt position, in order; turns the prefix cache off for
  // it.
  std::function<void(uint32_t position, std::span<const float> logits)> on_logits = {};
  // The same with hidden states: [d_model], after the final norm. With max_tokens 0 only.
  std::function<void(uint32_t position, std::span<const float> hidden)> on_hidden = {};
};

}  // namespace quern
