// AnswerWriter: collects the deltas of an answer, and keeps the text that may still become part of
// a call. Not thread-safe. Owns the kept text; borrows the list of deltas between set_out() calls.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/answer_parser.h"

namespace quern::answer {

class AnswerWriter {
 public:
  using Kind = AnswerDelta::Kind;

  void set_out(std::vector<AnswerDelta>& out) { out_ = &out; }

  // Content or reasoning.
  void text(Kind kind, std::string_view text) { add(kind, 0, text); }

  // False when there are too many calls: this one is none.
  bool begin_call(std::string_view name);
  void arguments(std::string_view text) { add(Kind::tool_call_arguments, n_calls_ - 1, text); }
  void end_call();

  uint32_t n_calls() const { return n_calls_; }
  bool is_full() const { return n_calls_ == AnswerParser::kMaxCalls; }

  // What is held became part of a call, and so did the white space before it.
  void commit() {
    held.clear();
    space.clear();
  }

  std::string held;   // since the marker or the end of the last call; content if that leads nowhere
  std::string space;  // white space before `held`, dropped before a call

 private:
  void add(Kind kind, uint32_t tool_index, std::string_view text);

  std::vector<AnswerDelta>* out_ = nullptr;
  uint32_t n_calls_ = 0;
};

}  // namespace quern::answer
