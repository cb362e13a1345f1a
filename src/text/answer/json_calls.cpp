// Calls that are JSON objects: the hermes and the llama3 style, and Mistral's first one.
// Sources: the system prompt of Hermes-2-Pro's and Qwen2.5's chat templates; Llama 3.1's "JSON
// based tool calling" prompt format; mistral-common's v3 tokenizer.
#include "text/answer/json_calls.h"

namespace quern::answer {

namespace {

constexpr std::string_view kHermesClosers[] = {"</tool_call>", "</tool_calls>", "</TOOLCALL>"};
// Behind a call: what ends the calls, or, where a model forgets that, begins the next.
constexpr std::string_view kHermesNext[] = {"</tool_call>", "</tool_calls>", "</TOOLCALL>",
                                            "<tool_call>",  "<tool_calls>",  "<TOOLCALL>",
                                            "<|tool_call|>"};
constexpr std::string_view kLlama3Next[] = {"<|python_tag|>"};

}  // namespace

std::unique_ptr<CallParser> make_hermes_calls() {
  return std::make_unique<JsonCalls>(JsonCallRules{
      .closers = kHermesClosers, .next = kHermesNext, .separators = "{", .lists = true});
}

std::unique_ptr<CallParser> make_llama3_calls(const std::vector<std::string>& tool_names) {
  return std::make_unique<JsonCalls>(JsonCallRules{
      .next = kLlama3Next,
      .separators = ";",
      .call = {.needs_arguments = true, .usual_keys_only = true, .names = &tool_names}});
}

Took JsonCalls::push(char c, AnswerWriter& writer) {
  switch (at_) {
    case At::start:
      return push_start(c, writer);
    case At::object:
      return push_object(c, writer);
    case At::raw:
      return raw_.push(c, rules_.closers, writer) ? Took::last : Took::byte;
    case At::next:
      return push_next(c, writer);
  }
  return Took::nothing;
}

Took JsonCalls::push_start(char c, AnswerWriter& writer) {
  if (c == '{') {
    object_.emplace(rules_.call);
    raw_ = RawArguments();
    at_ = At::object;
    return push_object(c, writer);
  }
  if (c == '[' && rules_.lists && !in_list_) {
    in_list_ = true;
    return Took::byte;
  }
  return is_json_space(c) ? Took::byte : Took::nothing;
}

Took JsonCalls::push_object(char c, AnswerWriter& writer) {
  const CallObject::Step step = object_->push(c, writer);
  if (step == CallObject::Step::more) {
    return Took::byte;
  }
  if (step == CallObject::Step::complete) {
    at_ = At::next;
    return Took::byte;
  }
  if (!object_->has_begun()) {
    return Took::nothing;
  }
  object_->abandon(writer);
  if (object_->has_arguments()) {
    // Only the object around them is malformed: models forget its last brace.
    writer.end_call();
    writer.held = c;
    at_ = At::next;
    return push_next(c, writer);
  }
  at_ = At::raw;
  return push(c, writer);
}

Took JsonCalls::push_next(char c, AnswerWriter& writer) {
  if (!expect_.in_marker()) {
    if (in_list_ && c == ']') {
      in_list_ = false;
      writer.commit();
      return Took::byte;
    }
    if (std::string_view(in_list_ ? "," : rules_.separators).contains(c)) {
      at_ = At::start;
      return c == '{' ? push_start(c, writer) : Took::byte;
    }
  }
  const int found = expect_.push(c, rules_.next);
  if (found < 0) {
    return found == kPartOfMarker ? Took::byte : Took::nothing;
  }
  if (static_cast<size_t>(found) < rules_.closers.size()) {
    writer.commit();
    return Took::last;
  }
  in_list_ = false;
  at_ = At::start;
  return Took::byte;
}

void JsonCalls::finish(AnswerWriter& writer) {
  if (at_ == At::raw) {
    raw_.finish(writer);
  } else if (at_ == At::object && object_->has_begun()) {
    object_->abandon(writer);
    writer.end_call();
  }
}

}  // namespace quern::answer
