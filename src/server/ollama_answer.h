// OllamaAnswer: an answer of /api/generate or /api/chat as it comes, as JSON in pieces or whole.
// Not thread-safe: used on the exchange's strand. Owns what has come; borrows the tokenizer that
// its texts name. Source of the shapes: Ollama's docs/api.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/openai_answer.h"

namespace quern::server {

struct OllamaAnswerOptions {
  std::string model;
  bool is_chat = false;
  bool logprobs = false;
  uint64_t seed = 0;
  int64_t arrival_us = 0;  // monotonic
  int64_t load_us = 0;     // what the request waited for its model
  // The prompt, whose answer's tokens are added: generate returns both to go on from.
  std::optional<std::vector<TokenId>> context = {};
};

// A line that holds no more than why nothing was to be answered: "load" or "unload".
Json ollama_empty_answer(const OllamaAnswerOptions& options, std::string_view reason);

class OllamaAnswer {
 public:
  OllamaAnswer(OllamaAnswerOptions options, TokenTexts texts);

  void add(const GenerationEvent& event);
  // Whether take() has something to show.
  bool has_piece() const;
  // What came since the last one, as a line that is not the last.
  Json take();
  // The rest of it, with the reason and the numbers. After the event that ends the answer.
  Json end(int64_t now_us);

 private:
  struct Call {
    std::string name;
    std::string arguments;
  };

  void add_delta(const AnswerDelta& delta);
  void end_call();
  Json body(bool is_done);
  void put_numbers(Json& json, int64_t now_us) const;

  OllamaAnswerOptions options_;
  TokenTexts texts_;
  std::string text_;
  std::string thinking_;
  Json::array_t tool_calls_;
  std::vector<Json> logprobs_;
  Call call_;  // being written
  uint32_t n_calls_ = 0;
  FinishReason finish_ = FinishReason::error;
  RequestUsage usage_;
};

}  // namespace quern::server
