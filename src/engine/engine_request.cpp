#include "engine/engine_request.h"

#include "base/system_info.h"

namespace quern {

std::string_view why_refused(FinishCause cause) {
  switch (cause) {
    case FinishCause::queue_full:
      return "[request] the queue holds as many requests as it may; expected a retry later";
    case FinishCause::queue_tokens_full:
      return "[request] the queue holds as many tokens as it may; expected a retry later";
    case FinishCause::displaced:
      return "[request] a more important request took the place in the full queue; expected a "
             "retry later";
    default:
      return {};
  }
}

void tell_refused(EngineRequest& refused, FinishCause cause) noexcept {
  if (!refused.request.on_event) {
    return;
  }
  const bool failed = !refused.error.empty();
  const TokenEvent event{.id = refused.id,
                         .text = {},
                         .finish = FinishReason::error,
                         .cause = cause,
                         .error = failed ? std::string_view(refused.error) : why_refused(cause),
                         .error_kind = failed ? refused.error_kind : ErrorKind::out_of_memory,
                         .usage = {.prompt_tokens = refused.n_prompt,
                                   .arrival_us = refused.arrival_us,
                                   .finished_us = monotonic_us()}};
  try {
    refused.request.on_event(event);
  } catch (...) {
    refused.request.on_event = nullptr;
  }
}

}  // namespace quern
