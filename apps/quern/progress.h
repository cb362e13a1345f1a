// A progress line on stderr: drawn over itself on a terminal, nothing at all in a pipe.
#pragma once

#include <cstdint>
#include <string>

namespace quern::app {

// Not thread-safe. Erases its line when it goes.
class Progress {
 public:
  explicit Progress(std::string label);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { finish(); }

  // Draws when enough time has passed since the last time; `note` follows the bar.
  void update(uint64_t done, uint64_t total, const std::string& note = {});
  void finish();

 private:
  std::string label_;
  bool enabled_;
  bool drawn_ = false;
  int64_t next_us_;
};

}  // namespace quern::app
