// The qwen3_coder style: <function=name>, then <parameter=key>value</parameter> any number of
// times, or one JSON object, then </function>, mostly within <tool_call>. Sources: the chat
// templates of Qwen3-Coder, Qwen3.5 and Seed-OSS; Functionary 3.1's for the JSON.
#include "text/answer/call_arguments.h"
#include "text/answer/call_parser.h"
#include "text/answer/parameter_value.h"

namespace quern::answer {

namespace {

constexpr size_t kMaxNameBytes = 256;  // several times what any API allows

class FunctionCalls : public CallParser {
 public:
  explicit FunctionCalls(bool in_function) : at_(in_function ? At::name : At::outside) {}

  Took push(char c, AnswerWriter& writer) override {
    switch (at_) {
      case At::outside:
        return push_outside(c, writer);
      case At::name:
        return push_name(c);
      case At::body:
        return push_body(c, writer);
      case At::key:
        return push_key(c, writer);
      case At::value:
        return push_value(c, writer);
      case At::json:
        break;
    }
    return push_json(c, writer);
  }

  void finish(AnswerWriter& writer) override {
    if (at_ == At::json) {
      json_.finish(writer);
      return;
    }
    if (at_ == At::value) {
      object_.cut_value(writer);
    }
    end_early(writer);
  }

 private:
  enum class At : uint8_t {
    outside,  // before <function= or behind </function>
    name,
    body,  // before a parameter or </function>
    key,
    value,
    json,
  };

  Took push_outside(char c, AnswerWriter& writer) {
    static constexpr std::string_view kMarkers[] = {"<function=", "<tool_call>", "</function>",
                                                    "</tool_call>", "</seed:tool_call>"};
    const int found = expect_.push(c, kMarkers);
    if (found == 0) {
      at_ = At::name;
      name_.clear();
    }
    if (found < 2) {
      return found == kNoMarker ? Took::nothing : Took::byte;
    }
    if (!ended_one_) {
      return Took::nothing;
    }
    writer.commit();
    return found == 2 ? Took::byte : Took::last;
  }

  Took push_name(char c) {
    if (c == '>') {
      at_ = At::body;
      return name_.empty() ? Took::nothing : Took::byte;
    }
    name_ += c;
    const bool is_name = c != '<' && c != '\n' && name_.size() <= kMaxNameBytes;
    return is_name ? Took::byte : Took::nothing;
  }

  Took push_body(char c, AnswerWriter& writer) {
    static constexpr std::string_view kMarkers[] = {"<parameter=", "</function>", "</tool_call>",
                                                    "</seed:tool_call>"};
    if (c == '{' && !has_begun_ && !expect_.in_marker()) {
      at_ = At::json;
      json_ = CallArguments();
      return writer.begin_call(name_) ? push_json(c, writer) : Took::nothing;
    }
    const int found = expect_.push(c, kMarkers);
    if (found == kPartOfMarker) {
      return Took::byte;
    }
    if (found == kNoMarker) {
      end_early(writer);
      return Took::nothing;
    }
    if (!has_begun_ && !begin(writer)) {
      return Took::nothing;
    }
    if (found == 0) {
      at_ = At::key;
      key_.clear();
      return Took::byte;
    }
    end(writer);
    at_ = At::outside;
    return found == 1 ? Took::byte : Took::last;
  }

  bool begin(AnswerWriter& writer) {
    // Before the call begins, so that a key that never ends comes out with its tag.
    const std::string held = writer.held;
    has_begun_ = writer.begin_call(name_);
    if (has_begun_) {
      writer.held = held.substr(held.rfind('<'));
    }
    return has_begun_;
  }

  void end(AnswerWriter& writer) {
    object_.end(writer);
    writer.end_call();
    has_begun_ = false;
    ended_one_ = true;
  }

  // What is held stands between the parameters, but is none: the call, if any, ends before it.
  void end_early(AnswerWriter& writer) {
    const std::string held = writer.held;
    if (has_begun_) {
      end(writer);
    }
    writer.held = held;
  }

  Took push_key(char c, AnswerWriter& writer) {
    if (c == '<' || c == '\n') {
      end_early(writer);
      return Took::nothing;
    }
    if (c != '>') {
      key_ += c;
      return Took::byte;
    }
    object_.begin_value(key_, writer);
    writer.commit();
    at_ = At::value;
    return Took::byte;
  }

  Took push_value(char c, AnswerWriter& writer) {
    static constexpr std::string_view kMarkers[] = {"</parameter>"};
    if (object_.push(c, kMarkers, writer)) {
      at_ = At::body;
    }
    writer.commit();
    return Took::byte;
  }

  Took push_json(char c, AnswerWriter& writer) {
    static constexpr std::string_view kMarkers[] = {"</function>"};
    if (json_.push(c, kMarkers, writer) != CallArguments::Step::more) {
      ended_one_ = true;
      at_ = At::outside;
    }
    return Took::byte;
  }

  At at_;
  bool has_begun_ = false;
  bool ended_one_ = false;
  std::string name_;
  std::string key_;
  ParameterObject object_;
  ExpectMarker expect_;
  CallArguments json_;
};

}  // namespace

std::unique_ptr<CallParser> make_function_calls(bool in_function) {
  return std::make_unique<FunctionCalls>(in_function);
}

}  // namespace quern::answer
