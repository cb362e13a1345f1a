#include "text/answer/parameter_value.h"

#include <string_view>
#include <utility>

#include "text/answer/json_text.h"
#include "text/answer_parser.h"

namespace quern::answer {

void ParameterValue::push(char c, std::string& out) {
  if (std::exchange(at_start_, false) && c == '\n') {
    return;
  }
  if (is_string_) {
    push_string(c, out);
    return;
  }
  raw_ += c;
  const bool may_be_json = scanner_.push(c) && !scanner_.saw_control();
  if (!may_be_json || raw_.size() > AnswerParser::kMaxHeldBytes) {
    become_string(out);
  }
}

void ParameterValue::become_string(std::string& out) {
  is_string_ = true;
  out += '"';
  for (const char c : raw_) {
    push_string(c, out);
  }
  raw_.clear();
}

void ParameterValue::push_string(char c, std::string& out) {
  if (std::exchange(newline_waits_, c == '\n')) {
    append_json_escaped(out, '\n');
  }
  if (c != '\n') {
    append_json_escaped(out, c);
  }
}

void ParameterValue::finish(std::string& out) {
  if (!is_string_ && scanner_.complete()) {
    constexpr std::string_view kSpace = " \t\r\n";
    const size_t first = raw_.find_first_not_of(kSpace);
    out += std::string_view(raw_).substr(first, raw_.find_last_not_of(kSpace) + 1 - first);
    return;
  }
  if (!is_string_) {
    become_string(out);
  }
  out += '"';
}

void ParameterObject::begin_value(std::string_view key, AnswerWriter& writer) {
  std::string text = std::exchange(is_first_, false) ? "{\"" : ", \"";
  for (const char c : key) {
    append_json_escaped(text, c);
  }
  writer.arguments(text + "\": ");
  value_ = ParameterValue();
}

bool ParameterObject::push(char c, Markers ends, AnswerWriter& writer) {
  std::string text;
  const bool is_over = until_.push(c, ends, text) >= 0;
  push_text(text, writer);
  if (is_over) {
    end_value(writer);
  }
  return is_over;
}

void ParameterObject::cut_value(AnswerWriter& writer) {
  push_text(until_.take_rest(), writer);
  end_value(writer);
}

void ParameterObject::push_text(std::string_view text, AnswerWriter& writer) {
  std::string json;
  for (const char c : text) {
    value_.push(c, json);
  }
  writer.arguments(json);
}

void ParameterObject::end_value(AnswerWriter& writer) {
  std::string json;
  value_.finish(json);
  writer.arguments(json);
}

void ParameterObject::end(AnswerWriter& writer) {
  writer.arguments(std::exchange(is_first_, true) ? "{}" : "}");
}

}  // namespace quern::answer
