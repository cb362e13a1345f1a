// ParameterValue: turns the text of one <parameter> into JSON: as it is where it is JSON, else as a
// string. One newline at each end belongs to the tags, not to the value.
// Not thread-safe. Owns what it keeps back.
#pragma once

#include <string>

#include "text/answer/json_scanner.h"

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

}  // namespace quern::answer
