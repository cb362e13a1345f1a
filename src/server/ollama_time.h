// Times as Ollama's API writes them, which are Go's. Pure functions but for the clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quern::server {

using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

WallTime wall_now();
// "2026-01-15T12:00:00.123456789Z" (RFC 3339).
std::string rfc3339(WallTime time);

inline constexpr size_t kMaxKeepAliveBytes = 64;

// Milliseconds of a keep-alive: Go's "1h30m" or "2.5s", or seconds without a unit, as in "300".
// Any negative one is kKeepForever. None when it is neither,
// or longer than kMaxKeepAliveBytes.
std::optional<int64_t> parse_keep_alive_ms(std::string_view text);
int64_t keep_alive_ms_of(double seconds);

}  // namespace quern::server
