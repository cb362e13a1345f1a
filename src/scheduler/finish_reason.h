// Why a sequence ended: the reason that clients see, and the cause behind it.
#pragma once

#include <string_view>

namespace quern {

enum class FinishReason {
  stop,       // the model or a stop string ended it
  length,     // max_tokens or the context is used up
  cancelled,  // the client gave up
  timeout,    // a deadline passed
  error,      // it failed; the others go on
};

// What a timeout or an error was, where the scheduler decided it.
enum class FinishCause {
  none,
  queue_timeout,
  first_token_timeout,
  total_timeout,
  displaced,          // a more important arrival took its place in the full queue
  queue_full,         // it was not taken: the queue holds as many requests as it may
  queue_tokens_full,  // it was not taken: the queue holds as many tokens as it may
};

constexpr std::string_view to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::cancelled:
      return "cancelled";
    case FinishReason::timeout:
      return "timeout";
    case FinishReason::error:
      break;
  }
  return "error";
}

constexpr std::string_view to_string(FinishCause cause) {
  switch (cause) {
    case FinishCause::queue_timeout:
      return "queue_timeout";
    case FinishCause::first_token_timeout:
      return "first_token_timeout";
    case FinishCause::total_timeout:
      return "total_timeout";
    case FinishCause::displaced:
      return "displaced";
    case FinishCause::queue_full:
      return "queue_full";
    case FinishCause::queue_tokens_full:
      return "queue_tokens_full";
    case FinishCause::none:
      break;
  }
  return "none";
}

}  // namespace quern
