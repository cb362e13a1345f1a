#include "base/log.h"

#include <mutex>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace quern {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

Log::Log(Sink sink) {
  const auto mutex = std::make_shared<std::mutex>();
  sink_ = std::make_shared<Sink>(
      [mutex, sink = std::move(sink)](LogLevel level, std::string_view message) {
        const std::lock_guard lock(*mutex);
        sink(level, message);
      });
}

Log Log::to_stderr(bool verbose) {
  const auto logger =
      std::make_shared<spdlog::logger>("quern", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("quern: %v");
  logger->set_level(verbose ? spdlog::level::debug : spdlog::level::warn);
  return Log([logger](LogLevel level, std::string_view message) {
    logger->log(to_spdlog(level), message);
  });
}

void Log::write(LogLevel level, std::string_view message) const {
  if (sink_) {
    (*sink_)(level, message);
  }
}

}  // namespace quern
