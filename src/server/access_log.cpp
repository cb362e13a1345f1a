#include "server/access_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>

#include <nlohmann/json.hpp>

#include "text/printable.h"

namespace quern::server {
namespace {

constexpr size_t kMaxPathChars = 256;
constexpr size_t kMaxMessageChars = 4096;

std::string_view name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      break;
  }
  return "error";
}

std::string timestamp() {
  using std::chrono::system_clock;
  const auto now = std::chrono::floor<std::chrono::milliseconds>(system_clock::now());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(system_clock::to_time_t(seconds)),
                     (now - seconds).count());
}

std::string dump(const nlohmann::ordered_json& line) {
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string access_line(const AccessRecord& record, bool as_json) {
  const double duration_ms = static_cast<double>(record.duration_us) / 1000;
  if (!as_json) {
    std::string line = fmt::format("{} info {} {} {} {} {:.1f} ms", timestamp(), record.request_id,
                                   printable(record.method), printable(record.path, kMaxPathChars),
                                   record.status, duration_ms);
    if (record.n_prompt_tokens > 0) {
      line += fmt::format(" {}+{} tokens", record.n_prompt_tokens, record.n_completion_tokens);
    }
    return record.client_gone ? line + " (client gone)" : line;
  }
  return dump({{"ts", timestamp()},
               {"level", "info"},
               {"event", "request"},
               {"request_id", record.request_id},
               {"method", record.method},
               {"path", record.path},
               {"peer", record.peer},
               {"status", record.status},
               {"duration_ms", duration_ms},
               {"bytes", record.n_bytes},
               {"prompt_tokens", record.n_prompt_tokens},
               {"completion_tokens", record.n_completion_tokens},
               {"client_gone", record.client_gone}});
}

std::string message_line(LogLevel level, std::string_view message, bool as_json) {
  if (!as_json) {
    return fmt::format("{} {} {}", timestamp(), name(level), printable(message, kMaxMessageChars));
  }
  return dump({{"ts", timestamp()}, {"level", name(level)}, {"message", message}});
}

}  // namespace quern::server
