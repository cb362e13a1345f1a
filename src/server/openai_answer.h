// What OpenAI's chat and completion answers share: head, usage, logprobs, finish reasons.
// Pure functions. Source of the shapes: OpenAI's API reference, "Chat" and "Completions".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/answer_collector.h"
#include "server/json.h"
#include "text/tokenizer.h"

namespace quern::server {

// What every object and every chunk of one answer begins with.
struct AnswerHead {
  std::string id;
  int64_t created = 0;
  std::string model;
  uint64_t seed = 0;
};

Json head_json(const AnswerHead& head, std::string_view object);

// Changes when the model or the program does, as a seed's answers may.
std::string system_fingerprint(std::string_view model);

Json usage_json(const UsageTotals& usage);

// stop, length, tool_calls, cancelled, timeout, error.
std::string_view openai_finish(FinishReason reason, bool has_tool_calls);

// Which tokens of an answer have no logprobs, as they are no part of its text: the one that ended
// it.
struct TokenTexts {
  const Tokenizer& tokenizer;
  const std::vector<TokenId>& stop_tokens;

  bool is_end(TokenId token) const;
};

// Chat: {"token","logprob","bytes","top_logprobs"}.
Json chat_logprob(const TokenInfo& token, const TokenTexts& texts);
Json chat_logprobs(std::vector<Json> content);

// A token as text, where only text can stand: bytes that are no UTF-8 by themselves, such as half a
// character, are spelt as OpenAI does, "bytes:\\xf0\\x9f", so that no two of them look alike.
std::string token_name(std::string_view bytes);

// Completions: four lists side by side. text_offset counts the whole characters before a token and
// starts at n_chars: the tokens of one character share its place.
class CompletionLogprobs {
 public:
  explicit CompletionLogprobs(uint64_t n_chars = 0) : n_chars_(n_chars) {}
  void add(const TokenInfo& token, const TokenTexts& texts);
  // What came since the last take().
  Json take();

 private:
  void advance(const TokenInfo& token, const TokenTexts& texts);

  uint64_t n_chars_;
  std::string partial_;  // the beginning of a character
  Json::array_t tokens_, token_logprobs_, top_logprobs_, text_offset_;
};

}  // namespace quern::server
