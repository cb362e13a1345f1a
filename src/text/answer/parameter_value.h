// ParameterValue: turns the text of one <parameter> into JSON: as it is where it is JSON, else as a
// string. One newline at each end belongs to the tags, not to the value.
// Not thread-safe. Owns what it keeps back.
#pragma once

#include <string>
#include <string_view>

#include "text/answer/answer_writer.h"
#include "text/answer/json_scanner.h"
#include "text/answer/markers.h"

namespace quern::answer {

class ParameterValue {
 public:
  // Both append to `out`. What may still be JSON is kept back to the end of the value.
  void push(char c, std::string& out);
  void finish(std::string& out);

 private:
  void become_string(std::string& out);
  void push_string(char c, std::string& out);

  bool at_start_ = true;
  bool is_string_ = false;
  bool newline_waits_ = false;  // of a string: dropped when it is the last byte
  JsonScanner scanner_;
  std::string raw_;  // kept back
};

// Writes parameters as the object that a call's arguments are. Not thread-safe. Owns what it keeps
// back.
class ParameterObject {
 public:
  void begin_value(std::string_view key, AnswerWriter& writer);
  // One byte of the value, which goes up to one of `ends`; true when that is complete.
  bool push(char c, Markers ends, AnswerWriter& writer);
  // The value ends here, without a marker.
  void cut_value(AnswerWriter& writer);
  // The object is whole; the next one may begin.
  void end(AnswerWriter& writer);

 private:
  void push_text(std::string_view text, AnswerWriter& writer);
  void end_value(AnswerWriter& writer);

  bool is_first_ = true;
  ParameterValue value_;
  UntilMarker until_;
};

}  // namespace quern::answer
