// What a user wrote, turned into the tokens that a model is given.
#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "engine/loaded_model.h"
#include "text/chat_template.h"

namespace quern {

// The conversation through the model's chat template, ready for the next answer. The template
// itself writes the tokens that begin a text. There must be a template.
Result<std::vector<TokenId>> chat_prompt(const LoadedModel& model,
                                         std::vector<ChatMessage> messages);

// What to say, after its name, of a model without a template to use: "has no chat template", or
// "has a chat template that does not parse (line 3: ...)".
std::string why_no_template(const LoadedModel& model);

// What chat templates print as the time of day.
std::tm local_time();

// The token that this model wants before a text, if it wants one.
std::optional<TokenId> leading_bos(const Tokenizer& tokenizer);

// The text as it stands: special text parsed, BOS before it where the model says so.
Result<std::vector<TokenId>> raw_prompt(const LoadedModel& model, std::string_view text);

}  // namespace quern
