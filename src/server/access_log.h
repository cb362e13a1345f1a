// The log's lines: one for each request answered, and messages, as text or as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/log.h"

namespace quern::server {

// One request that was answered, or whose client went away before.
struct AccessRecord {
  std::string request_id = {};
  std::string method = {};
  std::string path = {};
  std::string peer = {};  // address
  unsigned status = 0;    // 0: nothing was sent
  int64_t duration_us = 0;
  uint64_t n_bytes = 0;  // of the answer, heads included
  uint32_t n_prompt_tokens = 0;
  uint32_t n_completion_tokens = 0;
  bool client_gone = false;
};

// Without a newline. JSON lines begin {"ts":"2026-01-15T12:00:00.123Z","level":"info",...}.
std::string access_line(const AccessRecord& record, bool as_json);
std::string message_line(LogLevel level, std::string_view message, bool as_json);

}  // namespace quern::server
