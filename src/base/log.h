// Log: where warnings and notices go. Passed by reference; there is no global logger.
// Thread-safe. Owns its sink.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace quern {

enum class LogLevel { debug, info, warning, error };

class Log {
 public:
  using Sink = std::function<void(LogLevel, std::string_view)>;

  // Drops everything.
  Log() = default;
  // Hands each line, without a newline, to `sink`, one at a time.
  explicit Log(Sink sink);
  // One line "quern: message" on stderr for warnings and worse, all levels when `verbose`.
  static Log to_stderr(bool verbose);

  void debug(std::string_view message) const { write(LogLevel::debug, message); }
  void info(std::string_view message) const { write(LogLevel::info, message); }
  void warn(std::string_view message) const { write(LogLevel::warning, message); }
  void error(std::string_view message) const { write(LogLevel::error, message); }
  void write(LogLevel level, std::string_view message) const;

 private:
  std::shared_ptr<Sink> sink_;  // shared: a Log is a cheap handle that many objects copy
};

}  // namespace quern
