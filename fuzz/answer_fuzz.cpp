// Any text as a model's answer, in each format. The first byte picks the format, the second where
// the text is cut. However it is cut, the parser gives the same; calls are well formed; and text
// without calls comes out whole. First byte 255: the JSON scanner against another implementation.
#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "text/answer/json_scanner.h"
#include "text/answer/json_text.h"
#include "text/answer_parser.h"

namespace quern {
namespace {

using Kind = AnswerDelta::Kind;

AnswerFormat make_format(uint8_t first) {
  AnswerFormat format;
  format.tools = static_cast<ToolStyle>(first % 7);
  if ((first & 0x40) != 0) {
    format.think_open = "<think>";
    format.think_close = "</think>";
  }
  format.starts_in_reasoning = (first & 0x80) != 0;
  if ((first & 0x20) != 0) {
    format.tool_names = {"f", "add"};
  }
  return format;
}

std::vector<AnswerDelta> parse(const AnswerFormat& format, std::string_view text, size_t n_piece) {
  AnswerParser parser(format);
  std::vector<AnswerDelta> deltas;
  for (size_t at = 0; at < text.size(); at += n_piece) {
    parser.push(text.substr(at, n_piece), deltas);
  }
  parser.finish(deltas);
  QUERN_CHECK(parser.saw_tool_call() == std::ranges::any_of(deltas, [](const AnswerDelta& delta) {
                return delta.kind == Kind::tool_call_begin;
              }));
  return deltas;
}

// Each call: begin, arguments, end, with the next index.
void check_calls(const std::vector<AnswerDelta>& deltas) {
  uint32_t n_calls = 0;
  bool in_call = false;
  for (const AnswerDelta& delta : deltas) {
    const bool begins = delta.kind == Kind::tool_call_begin;
    const bool is_text = delta.kind == Kind::content || delta.kind == Kind::reasoning;
    QUERN_CHECK(in_call != (begins || is_text));
    QUERN_CHECK(delta.text.empty() == (delta.kind == Kind::tool_call_end));
    n_calls += begins ? 1 : 0;
    QUERN_CHECK(is_text ? delta.tool_index == 0 : delta.tool_index + 1 == n_calls);
    in_call = begins || (in_call && delta.kind != Kind::tool_call_end);
  }
  QUERN_CHECK(!in_call);
  QUERN_CHECK(n_calls <= AnswerParser::kMaxCalls);
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// In the glm style, and in qwen3_coder's without a brace in the answer, arguments are made by the
// parser alone.
void check_made_arguments(const std::vector<AnswerDelta>& deltas) {
  for (const AnswerDelta& delta : deltas) {
    QUERN_CHECK(delta.kind != Kind::tool_call_arguments || nlohmann::json::accept(delta.text));
  }
}

void check_answer(uint8_t first, size_t n_piece, std::string_view text) {
  const AnswerFormat format = make_format(first);
  const std::vector<AnswerDelta> deltas = parse(format, text, std::max<size_t>(text.size(), 1));
  QUERN_CHECK(parse(format, text, 1) == deltas);
  QUERN_CHECK(parse(format, text, n_piece) == deltas);
  check_calls(deltas);
  if (format.think_open.empty() && deltas.size() == 1) {
    QUERN_CHECK(deltas[0].kind == Kind::content && deltas[0].text == text);
  }
  const bool is_made = format.tools == ToolStyle::glm ||
                       (format.tools == ToolStyle::qwen3_coder && !text.contains('{'));
  if (is_made && is_ascii(text)) {
    check_made_arguments(deltas);
  }
}

void check_scanner(std::string_view text) {
  // The other one takes a zero byte for the end.
  if (!is_ascii(text) || text.contains('\0')) {
    return;
  }
  answer::JsonScanner scanner;
  const bool complete =
      std::ranges::all_of(text, [&](char c) { return scanner.push(c); }) && scanner.complete();
  const auto other = nlohmann::json::parse(text, nullptr, false);
  if (other.is_discarded()) {
    // It refuses half surrogate pairs and numbers beyond double too, and what the scanner tells.
    QUERN_CHECK(!complete || scanner.saw_control() || text.contains("\\u") || text.contains('e') ||
                text.contains('E') || text.size() > 300);
    return;
  }
  const auto brackets = std::ranges::count_if(text, [](char c) { return c == '[' || c == '{'; });
  QUERN_CHECK(complete || brackets > answer::JsonScanner::kMaxDepth);
  if (other.is_string()) {
    const size_t begin = text.find('"') + 1;
    QUERN_CHECK(answer::unescape_json(text.substr(begin, text.rfind('"') - begin)) ==
                other.get<std::string>());
  }
}

}  // namespace
}  // namespace quern

// The name is libFuzzer's. NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n_bytes) {
  if (n_bytes < 2) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, n_bytes - 2);
  if (data[0] == 255) {
    quern::check_scanner(text);
  } else {
    quern::check_answer(data[0], size_t{2} + data[1] % 30, text);
  }
  return 0;
}
