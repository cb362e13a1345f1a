// Trying again what failed for a reason that may pass: which errors, how often, and how long to
// wait between attempts. Pure: the waiting is passed in.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "base/result.h"

namespace quern {

// True for faults of the machine that another attempt may not meet: out_of_memory, io, device. The
// others would only come again.
bool is_transient(ErrorKind kind);

// Delays double from first_delay_ms to at most max_delay_ms, without jitter.
struct RetryPolicy {
  uint32_t max_attempts = 4;  // the first one included; 0 counts as 1
  int64_t first_delay_ms = 200;
  int64_t max_delay_ms = 5000;

  // How long to wait when attempt number `n_failures` (from 1) failed like this; none: give up.
  std::optional<int64_t> delay_ms(ErrorKind kind, uint32_t n_failures) const;
};

template <typename T>
struct Retried {
  Result<T> result;        // of the last attempt
  uint32_t n_retries = 0;  // attempts after the first one
};

// Waits so many milliseconds, before each retry. False ends the retries: the program wants to stop.
using RetrySleep = std::function<bool(int64_t delay_ms)>;

// Calls attempt(), which returns a Result, until it succeeds or the policy or `sleep` gives up.
template <typename Attempt>
auto retry(const RetryPolicy& policy, const Attempt& attempt, const RetrySleep& sleep) {
  using T = typename decltype(attempt())::value_type;
  uint32_t n_retries = 0;
  while (true) {
    Result<T> result = attempt();
    if (!result) {
      const auto delay_ms = policy.delay_ms(result.error().kind, n_retries + 1);
      if (delay_ms && sleep(*delay_ms)) {
        ++n_retries;
        continue;
      }
    }
    return Retried<T>{.result = std::move(result), .n_retries = n_retries};
  }
}

}  // namespace quern
