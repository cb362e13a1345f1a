// LineWriter: lines for a file descriptor (a terminal, a pipe, a file) whose reader may be slow or
// stand still. write() never waits: lines beyond a bound are lost, counted, and told of when the
// reader goes on.
// Thread-safe. Owns a thread, not the descriptor, which must stay open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

namespace quern {

class LineWriter {
 public:
  // What is queued at most; a line more is lost.
  static constexpr size_t kMaxQueuedBytes = size_t{4} << 20;

  // `lost_line` makes the line that tells how many were lost.
  LineWriter(int descriptor, std::function<std::string(uint64_t)> lost_line);
  // Waits for what is queued, but not for a reader that stands still: after two seconds it is left.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  // A line without its newline.
  void write(std::string line);

 private:
  struct State;

  std::shared_ptr<State> state_;  // shared with the thread, which a standing reader may hold
  std::thread thread_;
};

}  // namespace quern
