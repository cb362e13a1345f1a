#include "engine/plain_prompt.h"

#include <fmt/format.h>

#include <ctime>
#include <utility>

namespace quern {
std::tm local_time() {
  const std::time_t seconds = std::time(nullptr);
  std::tm now{};
  localtime_r(&seconds, &now);
  return now;
}

Result<std::vector<TokenId>> chat_prompt(const LoadedModel& model,
                                         std::vector<ChatMessage> messages) {
  ChatPrompt prompt;
  prompt.messages = std::move(messages);
  prompt.now = local_time();
  QUERN_ASSIGN(const std::string text, model.render(std::move(prompt)));
  return model.tokenizer().encode(text, {.add_special = false, .parse_special = true});
}

std::string why_no_template(const LoadedModel& model) {
  const Error* const error = model.template_error();
  if (error == nullptr) {
    return "has no chat template";
  }
  return fmt::format("has a chat template that does not parse ({}{}{})", error->what,
                     error->expected.empty() ? "" : "; expected ", error->expected);
}

std::optional<TokenId> leading_bos(const Tokenizer& tokenizer) {
  return tokenizer.adds_bos() ? tokenizer.special().bos : std::nullopt;
}

Result<std::vector<TokenId>> raw_prompt(const LoadedModel& model, std::string_view text) {
  const Tokenizer& tokenizer = model.tokenizer();
  QUERN_ASSIGN(std::vector<TokenId> tokens,
               tokenizer.encode(text, {.add_special = false, .parse_special = true}));
  if (const auto bos = leading_bos(tokenizer)) {
    tokens.insert(tokens.begin(), *bos);
  }
  return tokens;
}

}  // namespace quern
