// EngineRequest: a request that passed its checks, with all it needs to run. Made in the caller's
// thread by Engine::prepare(), then owned by whoever holds it: a mailbox, the engine. Not
// thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/request.h"
#include "sampling/sampler.h"
#include "scheduler/sequence.h"
#include "text/detokenizer.h"

namespace quern {

struct EngineRequest {
  SeqId id{};
  Request request;  // its prompt has moved into the sequence
  Sampler sampler;
  Detokenizer detokenizer;
  Sequence sequence;  // until the scheduler takes it
  uint32_t n_prompt = 0;
  int64_t arrival_us = 0;
  uint32_t n_logits_told = 0;  // prompt positions whose logits on_logits has had
  std::string error = {};      // why it ended, once it failed
  ErrorKind error_kind = ErrorKind::device;

  void set_error(const Error& why) noexcept {
    error_kind = why.kind;
    try {
      error = why.to_string();
    } catch (...) {
      error.assign("out of memory");  // fits the string itself
    }
  }
};

using EngineRequestPtr = std::unique_ptr<EngineRequest>;

// Tells a request that was not taken of its end: by the queue (cause), or for lack of memory (its
// error). What its callback throws is dropped: it has ended.
void tell_refused(EngineRequest& refused, FinishCause cause) noexcept;

// One line for a request that the full queue did not take, or gave up; empty for other causes.
std::string_view why_refused(FinishCause cause);

}  // namespace quern
