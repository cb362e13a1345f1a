// An answer taken apart, as lines that a test can compare.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "text/answer_parser.h"

namespace quern::test {

using Lines = std::vector<std::string>;

// "content: ..", "reasoning: ..", "call 0: name", "arguments 0: ..", "end 0".
inline std::string line_of(const AnswerDelta& delta) {
  const std::string index = std::to_string(delta.tool_index);
  switch (delta.kind) {
    case AnswerDelta::Kind::content:
      return "content: " + delta.text;
    case AnswerDelta::Kind::reasoning:
      return "reasoning: " + delta.text;
    case AnswerDelta::Kind::tool_call_begin:
      return "call " + index + ": " + delta.text;
    case AnswerDelta::Kind::tool_call_arguments:
      return "arguments " + index + ": " + delta.text;
    case AnswerDelta::Kind::tool_call_end:
      return "end " + index + delta.text;
  }
  return "?";
}

inline Lines lines_of_pieces(const AnswerFormat& format,
                             const std::vector<std::string_view>& pieces) {
  AnswerParser parser(format);
  std::vector<AnswerDelta> deltas;
  for (const std::string_view piece : pieces) {
    parser.push(piece, deltas);
  }
  parser.finish(deltas);
  Lines lines;
  for (const AnswerDelta& delta : deltas) {
    lines.push_back(line_of(delta));
  }
  return lines;
}

// The lines of the answer in one piece. Whether byte by byte or cut in two at any place, they are
// the same.
inline Lines lines_of(const AnswerFormat& format, std::string_view answer) {
  Lines whole = lines_of_pieces(format, {answer});
  std::vector<std::string_view> bytes;
  for (size_t at = 0; at < answer.size(); ++at) {
    EXPECT_EQ(lines_of_pieces(format, {answer.substr(0, at), answer.substr(at)}), whole)
        << "cut at " << at << " of: " << answer;
    bytes.push_back(answer.substr(at, 1));
  }
  EXPECT_EQ(lines_of_pieces(format, bytes), whole) << "byte by byte: " << answer;
  return whole;
}

}  // namespace quern::test
