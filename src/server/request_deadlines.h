// A request's time limits as points in time, counted from its arrival.
#pragma once

#include "scheduler/sequence.h"
#include "server/exchange.h"
#include "server/generation.h"

namespace quern::server {

// Of HttpRequest::arrival_us; of now where that is not set.
int64_t arrival_of(const Exchange& exchange);
Deadlines deadlines_of(const ScheduleFields& schedule, int64_t arrival_us);

}  // namespace quern::server
