// Ids of requests, which logs, errors and X-Request-Id headers share.
#pragma once

#include <string>
#include <string_view>

namespace quern::server {

// 1 to 128 of A-Z a-z 0-9 . _ : -
bool is_sane_request_id(std::string_view id);

// 32 hexadecimal digits, not repeated and not guessable from earlier ones. Thread-safe.
std::string fresh_request_id();

}  // namespace quern::server
