// The order in which sequences are served: priority with ageing, then arrival, then id. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <tuple>

#include "scheduler/sequence.h"

namespace quern {

struct RankingConfig {
  // The class "high". Ageing lifts a sequence to just below it and no further: a crowd that waited
  // long never holds up important work.
  int32_t high_priority = -10;
  // A sequence gains one level of priority for each such span since its arrival; 0: no ageing.
  int64_t ageing_step_us = 1'000'000;
};

inline int32_t effective_priority(const Sequence& sequence, const RankingConfig& config,
                                  int64_t now_us) {
  if (sequence.priority <= config.high_priority || config.ageing_step_us <= 0) {
    return sequence.priority;
  }
  const int64_t age_us = std::max<int64_t>(0, now_us - sequence.arrival_us);
  const int64_t aged = sequence.priority - age_us / config.ageing_step_us;
  return static_cast<int32_t>(std::max<int64_t>(aged, int64_t{config.high_priority} + 1));
}

// Whether a is served before b. A total order; effective_priority must be up to date.
inline bool ranks_before(const Sequence& a, const Sequence& b) {
  return std::tuple(a.effective_priority, a.arrival_us, a.id) <
         std::tuple(b.effective_priority, b.arrival_us, b.id);
}

// Whether a waiting sequence may take the place of a running one. The newcomer's own priority has
// to beat the aged one of the victim: then the victim can never do the same to it, and what was
// lifted by waiting is not put back by the next normal request.
inline bool may_displace(const Sequence& newcomer, const Sequence& victim) {
  return newcomer.priority < victim.effective_priority;
}

}  // namespace quern
