// What lists of live requests show of one.
#pragma once

#include <cstdint>
#include <string>

#include "base/ids.h"

namespace quern {

// A request that has not ended, as of the last step.
struct LiveRequest {
  SeqId id{};
  std::string client_id = {};  // Request::client_id
  enum class State : uint8_t { queued, prefill, decode } state = State::queued;
  int32_t priority = 0;
  uint32_t position = 0;  // in the queue, 0 is next; 0 once it runs
  uint32_t prompt_tokens = 0;
  uint32_t completion_tokens = 0;
  int64_t arrival_us = 0;
};

}  // namespace quern
