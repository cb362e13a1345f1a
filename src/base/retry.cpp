#include "base/retry.h"

#include <algorithm>

namespace quern {

bool is_transient(ErrorKind kind) {
  return kind == ErrorKind::out_of_memory || kind == ErrorKind::io || kind == ErrorKind::device;
}

std::optional<int64_t> RetryPolicy::delay_ms(ErrorKind kind, uint32_t n_failures) const {
  if (!is_transient(kind) || n_failures >= max_attempts) {
    return std::nullopt;
  }
  int64_t delay = std::min(first_delay_ms, max_delay_ms);
  for (uint32_t i = 1; i < n_failures && delay < max_delay_ms; ++i) {
    delay = delay > max_delay_ms / 2 ? max_delay_ms : delay * 2;
  }
  return delay;
}

}  // namespace quern
