// POST /v1/completions: reading the request, writing the answer whole or in chunks.
// The functions are pure; a CompletionStream belongs to one answer and is used on its strand.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/openai_answer.h"
#include "server/openai_fields.h"

namespace quern::server {

inline constexpr size_t kMaxPrompts = 128;
inline constexpr uint32_t kDefaultCompletionTokens = 16;  // OpenAI's
inline constexpr int64_t kMaxBestOf = 20;

using PromptInput = std::variant<std::string, std::vector<TokenId>>;

struct CompletionCall {
  OpenAiFields fields;
  std::vector<PromptInput> prompts;
  bool echo = false;
  std::optional<int32_t> logprobs;
  uint32_t best_of = 1;  // answers drawn for each prompt, of which fields.n are kept
};

Api<CompletionCall> read_completion_call(std::string_view body);

// A string, a list of strings, a list of ids, or a list of lists of ids; at most n_most prompts.
struct PromptField {
  std::string_view name;
  size_t n_most = kMaxPrompts;
};
void read_prompts(Fields& fields, const PromptField& field, std::vector<PromptInput>& out);

// Of each prompt: ids as they are, where the vocabulary has them; text as raw_prompt() makes it.
// On an offload worker where they are long together.
using PromptTokens = std::vector<std::vector<TokenId>>;
boost::asio::awaitable<Api<PromptTokens>> prompt_tokens(ServerContext& context,
                                                        const ModelLease& lease,
                                                        std::vector<PromptInput> inputs);

// The n answers whose tokens are likeliest on average, best first.
std::vector<ChoiceAnswer> best_choices(std::vector<ChoiceAnswer> choices, uint32_t n);

struct CompletionAnswerOptions {
  AnswerHead head;
  bool logprobs = false;
  bool include_usage = false;
  uint32_t n = 1;                      // answers to each prompt
  std::vector<std::string> echo = {};  // the prompts' texts, before the answers
};

// choices: [prompt][choice]; usage: of all that was drawn.
Json completion_answer(const CompletionAnswerOptions& options,
                       const std::vector<std::vector<ChoiceAnswer>>& choices,
                       const TokenTexts& texts);

class CompletionStream {
 public:
  CompletionStream(CompletionAnswerOptions options, size_t n_prompts, TokenTexts texts);
  std::string add(size_t i_prompt, const GenerationEvent& event);
  std::string end() const;

 private:
  struct Choice {
    bool has_begun = false;
    CompletionLogprobs logprobs;
  };

  std::string chunk(size_t index, std::string text, Json finish);

  CompletionAnswerOptions options_;
  TokenTexts texts_;
  std::vector<Choice> choices_;  // [prompt * n + choice]
  UsageTotals usage_;
};

Task completions(Exchange& exchange, ServerContext& context);

}  // namespace quern::server
