// The arguments of calls whose name stands before them.
#pragma once

#include "text/answer/answer_writer.h"
#include "text/answer/arguments_text.h"
#include "text/answer/json_scanner.h"
#include "text/answer/markers.h"

namespace quern::answer {

// Hands malformed arguments on as they are. Not thread-safe. Owns what it keeps back.
class RawArguments {
 public:
  // True when one of the markers is complete: the call is over, and was ended.
  bool push(char c, Markers closers, AnswerWriter& writer);
  void finish(AnswerWriter& writer);

 private:
  UntilMarker until_;
};

// One JSON value, handed on as it comes. Not thread-safe. Owns what it keeps back.
class CallArguments {
 public:
  enum class Step : uint8_t {
    more,
    complete,  // the value is whole, the call was ended
    closed,    // the value was malformed, and the call was ended at a marker
  };
  Step push(char c, Markers closers, AnswerWriter& writer);
  void finish(AnswerWriter& writer);

 private:
  JsonScanner scanner_;
  ArgumentsText text_;
  RawArguments raw_;
  bool is_raw_ = false;
};

}  // namespace quern::answer
