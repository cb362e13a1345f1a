// The mistral style, after [TOOL_CALLS]: a list of JSON objects, or name[ARGS]{..}, with
// [CALL_ID]id before [ARGS] in some versions.
// Source: mistral-common, instruct tokenizers v3 (list), v11 and v13 (name and arguments).
#include "text/answer/call_arguments.h"
#include "text/answer/call_parser.h"
#include "text/answer/json_calls.h"

namespace quern::answer {

namespace {

constexpr size_t kMaxNameBytes = 256;  // several times what any API allows

// Letters, digits and what else APIs allow in the name of a function.
bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_-.:/").contains(c);
}

class MistralCalls : public CallParser {
 public:
  Took push(char c, AnswerWriter& writer) override {
    switch (at_) {
      case At::start:
        return push_start(c, writer);
      case At::list:
        return list_.push(c, writer);
      case At::name:
        return push_name(c, writer);
      case At::call_id:
        return push_call_id(c, writer);
      case At::before_arguments:
        return push_before(c, writer);
      case At::arguments:
        break;
    }
    const auto step = arguments_.push(c, {}, writer);
    return step == CallArguments::Step::more ? Took::byte : Took::last;
  }

  void finish(AnswerWriter& writer) override {
    if (at_ == At::list) {
      list_.finish(writer);
    } else if (at_ == At::arguments) {
      arguments_.finish(writer);
    }
  }

 private:
  enum class At : uint8_t { start, list, name, call_id, before_arguments, arguments };

  Took push_start(char c, AnswerWriter& writer) {
    if (is_json_space(c)) {
      return Took::byte;
    }
    at_ = is_name_byte(c) ? At::name : At::list;
    return push(c, writer);
  }

  Took push_name(char c, AnswerWriter& writer) {
    if (!expect_.in_marker() && is_name_byte(c)) {
      name_ += c;
      return name_.size() <= kMaxNameBytes ? Took::byte : Took::nothing;
    }
    // Without [ARGS]: it is a control token, which may have been left out on the way here.
    if (!expect_.in_marker() && (c == '{' || is_json_space(c))) {
      at_ = At::before_arguments;
      return push_before(c, writer);
    }
    return push_marker(c);
  }

  Took push_call_id(char c, AnswerWriter&) {
    return !expect_.in_marker() && is_name_byte(c) ? Took::byte : push_marker(c);
  }

  Took push_marker(char c) {
    static constexpr std::string_view kMarkers[] = {"[ARGS]", "[CALL_ID]"};
    const int found = expect_.push(c, kMarkers);
    if (found >= 0) {
      at_ = found == 0 ? At::before_arguments : At::call_id;
    }
    return found == kNoMarker ? Took::nothing : Took::byte;
  }

  Took push_before(char c, AnswerWriter& writer) {
    if (is_json_space(c)) {
      return Took::byte;
    }
    if (c != '{' || !writer.begin_call(name_)) {
      return Took::nothing;
    }
    at_ = At::arguments;
    return push(c, writer);
  }

  At at_ = At::start;
  JsonCalls list_{{.lists = true}};
  std::string name_;
  ExpectMarker expect_;
  CallArguments arguments_;
};

}  // namespace

std::unique_ptr<CallParser> make_mistral_calls() {
  return std::make_unique<MistralCalls>();
}

}  // namespace quern::answer
