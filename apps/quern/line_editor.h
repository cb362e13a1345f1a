// Reads lines from the terminal, with editing and a history that outlives the program.
// The only file that knows libedit is this one's .cpp.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace quern::app {

enum class LineEnd {
  entered,       // with the return key
  interrupted,   // with Ctrl-C: the line is to be forgotten
  end_of_input,  // Ctrl-D on an empty line, or the terminal is gone
};

struct Line {
  LineEnd end = LineEnd::end_of_input;
  std::string text;  // without the newline
};

// Not thread-safe; one at a time, because it owns the terminal's mode while it reads.
class LineEditor {
 public:
  // Keeps the history in this file, making its folder; an empty path keeps none.
  static Result<LineEditor> create(const std::filesystem::path& history_file);
  LineEditor(LineEditor&&) noexcept;
  LineEditor& operator=(LineEditor&&) noexcept;
  ~LineEditor();

  Line read(std::string_view prompt);
  // Adds a line to the history and saves it.
  void remember(const std::string& text);

 private:
  struct Impl;
  explicit LineEditor(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::app
