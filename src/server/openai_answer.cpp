#include "server/openai_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "text/utf8.h"

namespace quern::server {
namespace {

// JSON has no infinity; OpenAI writes this for what cannot be drawn.
constexpr float kLeastLogprob = -9999.0F;

float finite_logprob(float logprob) {
  return std::isfinite(logprob) ? logprob : kLeastLogprob;
}

Json bytes_json(std::string_view bytes) {
  Json list = Json::array();
  for (const char byte : bytes) {
    list.push_back(static_cast<unsigned char>(byte));
  }
  return list;
}

Json one_logprob(std::string_view bytes, float logprob) {
  return {{"token", bytes}, {"logprob", finite_logprob(logprob)}, {"bytes", bytes_json(bytes)}};
}

}  // namespace

Json head_json(const AnswerHead& head, std::string_view object) {
  return {{"id", head.id},
          {"object", object},
          {"created", head.created},
          {"model", head.model},
          {"system_fingerprint", system_fingerprint(head.model)},
          {"seed", static_cast<int64_t>(head.seed)}};
}

std::string system_fingerprint(std::string_view model) {
  uint64_t hash = 0xCBF29CE484222325U;  // FNV-1a, 64 bits
  for (const std::string_view part : {std::string_view(QUERN_VERSION), model}) {
    for (const char byte : part) {
      hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3U;
    }
  }
  return fmt::format("fp_{:010x}", hash >> 24U);
}

Json usage_json(const UsageTotals& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}}};
}

std::string_view openai_finish(FinishReason reason, bool has_tool_calls) {
  return reason == FinishReason::stop && has_tool_calls ? "tool_calls" : to_string(reason);
}

bool TokenTexts::is_end(TokenId token) const {
  return tokenizer.is_end_of_generation(token) ||
         std::ranges::find(stop_tokens, token) != stop_tokens.end();
}

Json chat_logprob(const TokenInfo& token, const TokenTexts& texts) {
  Json json = one_logprob(token.bytes, token.logprob.value_or(kLeastLogprob));
  Json top = Json::array();
  for (const TokenLogprob& entry : token.top) {
    top.push_back(one_logprob(texts.tokenizer.token_bytes(entry.token), entry.logprob));
  }
  json["top_logprobs"] = std::move(top);
  return json;
}

Json chat_logprobs(std::vector<Json> content) {
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

std::string token_name(std::string_view bytes) {
  if (is_valid_utf8(bytes)) {
    return std::string(bytes);
  }
  std::string name = "bytes:";
  for (const char byte : bytes) {
    name += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
  }
  return name;
}

void CompletionLogprobs::add(const TokenInfo& token, const TokenTexts& texts) {
  tokens_.emplace_back(token_name(token.bytes));
  token_logprobs_.emplace_back(finite_logprob(token.logprob.value_or(kLeastLogprob)));
  Json top = Json::object();
  for (const TokenLogprob& entry : token.top) {
    // The likelier one keeps a name that two tokens spell.
    top.emplace(token_name(texts.tokenizer.token_bytes(entry.token)),
                finite_logprob(entry.logprob));
  }
  top_logprobs_.push_back(std::move(top));
  text_offset_.emplace_back(n_chars_);
  advance(token, texts);
}

// As the detokenizer makes the text: without control tokens, and a character is there once it is
// whole.
void CompletionLogprobs::advance(const TokenInfo& token, const TokenTexts& texts) {
  const TokenType type = texts.tokenizer.type(token.token);
  if (type == TokenType::control || type == TokenType::unknown) {
    return;
  }
  partial_ += token.bytes;
  std::string_view rest = partial_;
  while (!rest.empty()) {
    const Utf8Char c = decode_utf8(rest);
    if (c.truncated) {
      break;
    }
    ++n_chars_;
    rest.remove_prefix(c.n_bytes);
  }
  partial_.erase(0, partial_.size() - rest.size());
}

Json CompletionLogprobs::take() {
  Json json = {{"tokens", std::exchange(tokens_, {})},
               {"token_logprobs", std::exchange(token_logprobs_, {})},
               {"top_logprobs", std::exchange(top_logprobs_, {})},
               {"text_offset", std::exchange(text_offset_, {})}};
  return json;
}

}  // namespace quern::server
