// The deepseek style. Between <｜tool▁call▁begin｜> and <｜tool▁call▁end｜> stands
//   R1 and V3: function<｜tool▁sep｜>name, a newline, and the arguments in a ```json block;
//   V3.1:      name<｜tool▁sep｜>arguments.
// Source: the chat templates of DeepSeek-R1 and DeepSeek-V3.1.
#include "text/answer/call_arguments.h"
#include "text/answer/call_parser.h"

namespace quern::answer {

namespace {

constexpr std::string_view kCallBegin = "<｜tool▁call▁begin｜>";
constexpr std::string_view kCallEnd = "<｜tool▁call▁end｜>";
constexpr std::string_view kCallsEnd = "<｜tool▁calls▁end｜>";
constexpr std::string_view kSeparator = "<｜tool▁sep｜>";

class DeepseekCalls : public CallParser {
 public:
  explicit DeepseekCalls(bool in_call) : at_(in_call ? At::head : At::outside) {}

  Took push(char c, AnswerWriter& writer) override {
    switch (at_) {
      case At::outside:
        return push_outside(c, writer);
      case At::head:
        return push_head(c);
      case At::name:
        return push_name(c, writer);
      case At::fence:
        return push_fence(c, writer);
      case At::arguments:
        break;
    }
    return push_arguments(c, writer);
  }

  void finish(AnswerWriter& writer) override {
    if (at_ == At::arguments) {
      arguments_.finish(writer);
    }
  }

 private:
  enum class At : uint8_t {
    outside,    // before a call, or behind its arguments
    head,       // before the separator
    name,       // behind it: the arguments, or the name
    fence,      // before the arguments
    arguments,  // in them
  };

  Took push_outside(char c, AnswerWriter& writer) {
    static constexpr std::string_view kMarkers[] = {kCallBegin, kCallsEnd, kCallEnd, "```"};
    const int found = expect_.push(c, kMarkers);
    if (found == 0) {
      at_ = At::head;
      head_.clear();
    } else if (found > 0) {
      if (!ended_one_) {
        return Took::nothing;
      }
      writer.commit();
    }
    if (found == kNoMarker) {
      return Took::nothing;
    }
    return found == 1 ? Took::last : Took::byte;
  }

  Took push_head(char c) {
    static constexpr std::string_view kMarkers[] = {kSeparator, kCallEnd};
    const int found = until_.push(c, kMarkers, head_);
    if (found == 0) {
      at_ = At::name;
      name_.clear();
    }
    return found > 0 ? Took::nothing : Took::byte;
  }

  Took push_name(char c, AnswerWriter& writer) {
    if (c == '{' && name_.empty()) {
      name_ = head_;
      return begin(c, writer);
    }
    if (c == '\n') {
      at_ = At::fence;
      return name_.empty() ? Took::nothing : Took::byte;
    }
    name_ += c;
    return Took::byte;
  }

  Took push_fence(char c, AnswerWriter& writer) {
    static constexpr std::string_view kMarkers[] = {"```json", "{"};
    const int found = expect_.push(c, kMarkers);
    if (found == 1) {
      return begin(c, writer);
    }
    return found == kNoMarker ? Took::nothing : Took::byte;
  }

  Took begin(char c, AnswerWriter& writer) {
    if (name_.empty() || !writer.begin_call(name_)) {
      return Took::nothing;
    }
    at_ = At::arguments;
    arguments_ = CallArguments();
    return push_arguments(c, writer);
  }

  Took push_arguments(char c, AnswerWriter& writer) {
    static constexpr std::string_view kMarkers[] = {kCallEnd};
    if (arguments_.push(c, kMarkers, writer) != CallArguments::Step::more) {
      ended_one_ = true;
      at_ = At::outside;
    }
    return Took::byte;
  }

  At at_;
  bool ended_one_ = false;
  std::string head_;
  std::string name_;
  UntilMarker until_;
  ExpectMarker expect_;
  CallArguments arguments_;
};

}  // namespace

std::unique_ptr<CallParser> make_deepseek_calls(bool in_call) {
  return std::make_unique<DeepseekCalls>(in_call);
}

}  // namespace quern::answer
