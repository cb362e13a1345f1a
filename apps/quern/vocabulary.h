// The vocabulary of a model, without its weights.
#pragma once

#include <memory>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "model_name.h"
#include "text/tokenizer.h"

namespace quern::app {

struct VocabularyFlags {
  ModelName name;
  bool allow_unknown_pre = false;
};

// MODEL, --models and --allow-unknown-pre; `flags` must live as long as the command.
void add_vocabulary_flags(CLI::App& command, VocabularyFlags& flags);

// Warnings go to stderr.
Result<std::unique_ptr<const Tokenizer>> load_vocabulary(const VocabularyFlags& flags);

}  // namespace quern::app
