// CallObject: one call as a JSON object, {"name": .., "arguments": {..}}, its members in any order.
// Not thread-safe. Owns what it keeps back; borrows the tool names.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "text/answer/answer_writer.h"
#include "text/answer/arguments_text.h"
#include "text/answer/json_scanner.h"

namespace quern::answer {

// When an object is no call.
struct CallRules {
  bool needs_arguments = false;
  bool usual_keys_only = false;  // a key that no format knows: it is some other object
  const std::vector<std::string>* names = nullptr;  // the only ones, when set and not empty
};

class CallObject {
 public:
  explicit CallObject(const CallRules& rules) : rules_(rules) {}

  enum class Step : uint8_t { more, complete, bad };
  // The first byte is the "{". The call begins when both its name and the first byte of its
  // arguments are known, and is ended with the object. bad: the object does not go on with this
  // byte, or is no call; a call that has begun is not ended then.
  Step push(char c, AnswerWriter& writer);

  bool has_begun() const { return has_begun_; }
  bool has_arguments() const { return has_arguments_; }  // all of them
  // Ends the call that has begun, but with incomplete arguments: hands on what was kept back.
  void abandon(AnswerWriter& writer);

 private:
  enum class Member : uint8_t { other, name, arguments };
  struct Before;  // what the scanner said before the byte

  bool read(char c, const Before& before, AnswerWriter& writer);
  bool push_key(char c);
  bool begin_value(char c, AnswerWriter& writer);
  bool push_value(char c, AnswerWriter& writer);
  bool end_value(AnswerWriter& writer);
  bool begin_call(AnswerWriter& writer);
  bool complete(AnswerWriter& writer);

  CallRules rules_;
  JsonScanner scanner_;
  ArgumentsText text_;
  Member member_ = Member::other;
  bool in_value_ = false;  // of a member of this object, not of one within
  bool saw_arguments_ = false;
  bool has_arguments_ = false;
  bool has_begun_ = false;
  std::string key_;       // with its quotes; cut off when it is none that matters
  std::string raw_name_;  // with its quotes
  std::optional<std::string> name_;
  std::string arguments_;  // kept back until the name is known
};

}  // namespace quern::answer
