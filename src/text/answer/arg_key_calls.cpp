// The glm style, after <tool_call>: the name, then
// <arg_key>key</arg_key><arg_value>value</arg_value> any number of times, then </tool_call>;
// newlines between them in some models. Source: the chat templates of GLM-4.6 and Ling-3.0.
#include "text/answer/call_parser.h"
#include "text/answer/json_scanner.h"
#include "text/answer/parameter_value.h"

namespace quern::answer {

namespace {

constexpr size_t kMaxNameBytes = 256;  // several times what any API allows

class ArgKeyCalls : public CallParser {
 public:
  Took push(char c, AnswerWriter& writer) override {
    switch (at_) {
      case At::name:
        return push_name(c, writer);
      case At::body:
        return push_body(c, writer);
      case At::key:
        return push_key(c);
      case At::before_value:
        return push_before_value(c, writer);
      case At::value:
        break;
    }
    return push_value(c, writer);
  }

  void finish(AnswerWriter& writer) override {
    if (at_ == At::value) {
      object_.cut_value(writer);
    }
    end_early(writer);
  }

 private:
  enum class At : uint8_t { name, body, key, before_value, value };

  // A call begins with its first whole key, or its end: before that, it may be other text.
  Took push_name(char c, AnswerWriter& writer) {
    if (is_json_space(c) && name_.empty()) {
      return Took::byte;
    }
    if (is_json_space(c) || c == '<') {
      at_ = At::body;
      return name_.empty() ? Took::nothing : push_body(c, writer);
    }
    name_ += c;
    return name_.size() <= kMaxNameBytes ? Took::byte : Took::nothing;
  }

  Took push_body(char c, AnswerWriter& writer) {
    static constexpr std::string_view kMarkers[] = {"<arg_key>", "</tool_call>"};
    const int found = expect_.push(c, kMarkers);
    if (found == kNoMarker) {
      end_early(writer);
      return Took::nothing;
    }
    if (found == 0) {
      at_ = At::key;
      key_.clear();
    }
    if (found != 1) {
      return Took::byte;
    }
    if (!begin(writer)) {
      return Took::nothing;
    }
    object_.end(writer);
    writer.end_call();
    return Took::last;
  }

  Took push_key(char c) {
    static constexpr std::string_view kMarkers[] = {"</arg_key>"};
    if (until_.push(c, kMarkers, key_) >= 0) {
      at_ = At::before_value;
    }
    return Took::byte;
  }

  Took push_before_value(char c, AnswerWriter& writer) {
    static constexpr std::string_view kMarkers[] = {"<arg_value>"};
    const int found = expect_.push(c, kMarkers);
    if (found == kPartOfMarker) {
      return Took::byte;
    }
    if (found == kNoMarker) {
      end_early(writer);
      return Took::nothing;
    }
    if (!begin(writer)) {
      return Took::nothing;
    }
    object_.begin_value(key_, writer);
    writer.commit();
    at_ = At::value;
    return Took::byte;
  }

  Took push_value(char c, AnswerWriter& writer) {
    static constexpr std::string_view kMarkers[] = {"</arg_value>"};
    if (object_.push(c, kMarkers, writer)) {
      at_ = At::body;
    }
    writer.commit();
    return Took::byte;
  }

  bool begin(AnswerWriter& writer) {
    has_begun_ = has_begun_ || writer.begin_call(name_);
    return has_begun_;
  }

  // What is held is no part of the call: if that has begun, it ends before it.
  void end_early(AnswerWriter& writer) {
    if (has_begun_) {
      const std::string held = writer.held;
      object_.end(writer);
      writer.end_call();
      writer.held = held;
    }
  }

  At at_ = At::name;
  bool has_begun_ = false;
  std::string name_;
  std::string key_;
  ParameterObject object_;
  UntilMarker until_;
  ExpectMarker expect_;
};

}  // namespace

std::unique_ptr<CallParser> make_arg_key_calls() {
  return std::make_unique<ArgKeyCalls>();
}

}  // namespace quern::answer
