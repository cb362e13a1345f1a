#include "server/request_deadlines.h"

#include "base/system_info.h"

namespace quern::server {
namespace {

constexpr int64_t kMicrosPerMilli = 1000;

int64_t after(int64_t arrival_us, std::optional<uint32_t> limit_ms) {
  return limit_ms ? arrival_us + int64_t{*limit_ms} * kMicrosPerMilli : kNoDeadline;
}

}  // namespace

int64_t arrival_of(const Exchange& exchange) {
  const int64_t arrival_us = exchange.request().arrival_us;
  return arrival_us == 0 ? monotonic_us() : arrival_us;
}

Deadlines deadlines_of(const ScheduleFields& schedule, int64_t arrival_us) {
  return {.queue_us = after(arrival_us, schedule.queue_timeout_ms),
          .first_token_us = after(arrival_us, schedule.first_token_timeout_ms),
          .total_us = after(arrival_us, schedule.timeout_ms)};
}

}  // namespace quern::server
