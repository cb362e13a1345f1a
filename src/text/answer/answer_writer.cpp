#include "text/answer/answer_writer.h"

namespace quern::answer {

bool AnswerWriter::begin_call(std::string_view name) {
  if (is_full()) {
    return false;
  }
  out_->push_back({Kind::tool_call_begin, n_calls_, std::string(name)});
  ++n_calls_;
  commit();
  return true;
}

void AnswerWriter::end_call() {
  out_->push_back({Kind::tool_call_end, n_calls_ - 1, {}});
  commit();
}

void AnswerWriter::add(Kind kind, uint32_t tool_index, std::string_view text) {
  if (text.empty()) {
    return;
  }
  if (!out_->empty() && out_->back().kind == kind && out_->back().tool_index == tool_index) {
    out_->back().text += text;
  } else {
    out_->push_back({kind, tool_index, std::string(text)});
  }
}

}  // namespace quern::answer
