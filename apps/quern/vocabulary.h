// The vocabulary of a model, without its weights.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "text/tokenizer.h"

namespace quern::app {

struct VocabularyRequest {
  std::string model;  // a name that `quern list` shows, or a path
  bool allow_unknown_pre = false;
};

// Warnings go to stderr.
Result<std::unique_ptr<const Tokenizer>> load_vocabulary(const VocabularyRequest& request);

}  // namespace quern::app
