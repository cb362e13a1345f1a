// JsonCalls: reads calls that are JSON objects, alone or in a list.
// Not thread-safe. Owns what it keeps; borrows the tool names.
#pragma once

#include <optional>
#include <string_view>

#include "text/answer/call_arguments.h"
#include "text/answer/call_object.h"
#include "text/answer/call_parser.h"

namespace quern::answer {

struct JsonCallRules {
  Markers closers = {};              // end the calls
  Markers next = {};                 // the closers, then the markers that begin another call
  std::string_view separators = {};  // between two objects outside a list; "{": nothing need be
  bool lists = false;
  CallRules call = {};
};

class JsonCalls : public CallParser {
 public:
  explicit JsonCalls(const JsonCallRules& rules) : rules_(rules) {}

  Took push(char c, AnswerWriter& writer) override;
  void finish(AnswerWriter& writer) override;

 private:
  enum class At : uint8_t {
    start,   // before an object
    object,  // in it
    raw,     // in its malformed arguments
    next,    // behind it
  };

  Took push_start(char c, AnswerWriter& writer);
  Took push_object(char c, AnswerWriter& writer);
  Took push_next(char c, AnswerWriter& writer);

  JsonCallRules rules_;
  At at_ = At::start;
  bool in_list_ = false;
  std::optional<CallObject> object_;
  RawArguments raw_;
  ExpectMarker expect_;
};

}  // namespace quern::answer
