// ArgumentsText: turns the JSON value that a model wrote as a call's arguments into the text that
// is handed on (see AnswerParser for what is changed). Not thread-safe. Owns nothing outside
// itself.
#pragma once

#include <cstdint>
#include <string>

#include "text/answer/json_scanner.h"
#include "text/answer/json_text.h"

namespace quern::answer {

class ArgumentsText {
 public:
  // One byte of the value, quotes and brackets included. Appends to `out`.
  void push(char c, std::string& out);
  // The value is over.
  void finish(std::string& out);
  // The value does not go on as JSON: what was kept back comes out as it is.
  void abandon(std::string& out);

 private:
  enum class Mode : uint8_t {
    start,
    json,       // handed on
    null,       // becomes {}
    undecided,  // a string, nothing but white space so far
    quoted,     // a string that holds an object
  };

  void begin(char c, std::string& out);
  void push_undecided(char c, std::string& out);
  void put(char c, std::string& out);

  Mode mode_ = Mode::start;
  bool is_json_ = true;  // so far, of what was handed on
  JsonScanner scanner_;  // of what was handed on
  JsonUnescaper unescaper_;
  std::string raw_;      // kept back: the bytes as they came
  std::string decoded_;  // raw_ without the quote, unescaped
};

}  // namespace quern::answer
