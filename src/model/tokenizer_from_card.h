// The tokenizer that a GGUF file describes: reads the tokenizer.ggml.* keys of its card.
#pragma once

#include <memory>

#include "base/log.h"
#include "base/result.h"
#include "gguf/model_card.h"
#include "text/tokenizer.h"

namespace quern {

struct TokenizerOptions {
  bool allow_unknown_pre = false;  // an unknown tokenizer.ggml.pre means "default", with a warning
};

// What can be told before a vocabulary is built: a kind or a pre-tokenizer that Quern does not know
// (unsupported).
Status check_tokenizer(const ModelCard& card, TokenizerOptions options = {});

// Fails with ErrorKind::unsupported for a kind of vocabulary that Quern does not know. The result
// does not refer to `card`.
Result<std::unique_ptr<const Tokenizer>> make_tokenizer(const ModelCard& card, const Log& log,
                                                        TokenizerOptions options = {});

}  // namespace quern
