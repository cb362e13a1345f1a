// One answer: asked of the engine, written out as it comes, stopped by Ctrl-C, and its numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"

namespace quern::app {

// Standard output, each piece flushed at once. On a terminal, control characters of an answer other
// than newline and tab are shown as U+FFFD: a model must not drive the terminal.
class AnswerOutput {
 public:
  AnswerOutput();
  // False once nothing can be written any more.
  bool write(std::string_view text);
  // Ends the line on a terminal if need be; in a pipe nothing is added.
  void end_line();
  bool on_terminal() const { return on_terminal_; }
  // An error, unless the reader only went away.
  Status status() const;

 private:
  bool write_bytes(std::string_view bytes);

  bool on_terminal_;
  bool in_line_ = false;  // the last character was no newline
  int error_code_ = 0;    // errno of the write that failed
};

struct Question {
  std::vector<TokenId> prompt;
  SamplingParams sampling = {};
  uint32_t max_tokens = 0;
  std::vector<std::string> stop = {};
  int64_t asked_us = 0;  // when the prompt was handed over, on monotonic_us's clock
};

struct Answer {
  std::string text;
  FinishReason finish = FinishReason::error;
  bool interrupted = false;                  // by Ctrl-C
  std::string error;                         // why, when finish is error
  ErrorKind error_kind = ErrorKind::device;  // whose fault that is
  RequestUsage usage = {};
  uint64_t seed = 0;
  std::optional<int64_t> first_text_us = {};  // after asked_us
};

// Runs one question to its end. Ctrl-C or an output that is gone cancels it.
Result<Answer> ask(Engine& engine, Question question, AnswerOutput& output);

// The JSON object of --stats, in one line. Numbers that the answer does not have are null.
std::string stats_json(const Answer& answer, int64_t load_us);

// The same for a reader: "12 tokens in, 40 out, first text after 35 ms, 410 and 160 tokens/s".
std::string stats_text(const Answer& answer);

}  // namespace quern::app
