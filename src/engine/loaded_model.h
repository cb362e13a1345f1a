// LoadedModel: everything that a model file gives, ready to run: card, tokenizer, chat template,
// weights. Not thread-safe while it runs (see Model); the tokenizer and template may be read from
// any thread. Owns all of it, the backend included.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "backend/backend.h"
#include "base/fail_point.h"
#include "base/log.h"
#include "base/result.h"
#include "gguf/model_card.h"
#include "model/model.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace quern {

struct LoadOptions {
  std::filesystem::path path;
  uint32_t n_threads = 0;               // 0: what affinity and cgroup quota allow
  std::optional<std::string> isa = {};  // forces an instruction set
  uint32_t max_batch_tokens = 512;      // of a step, which has max_seqs at least
  uint32_t max_seqs = 16;
  bool allow_unknown_pre = false;
  LoadProgress progress = {};
  std::unique_ptr<Backend> backend = {};  // instead of a CPU backend of n_threads and isa
  FailPoints* fail_points = nullptr;      // used during load() only: mmap, read, allocation
};

class LoadedModel {
 public:
  // Nothing of the file stays mapped: it may be changed or deleted afterwards. A file that changes
  // meanwhile is an io error (with the mapping guard installed also one that is cut). Does not
  // retry; base/retry.h tells after which errors that makes sense.
  static Result<std::unique_ptr<LoadedModel>> load(LoadOptions options, const Log& log);

  const ModelCard& card() const { return card_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  // Null when the file has none, or one that cannot be parsed (told on the log).
  const ChatTemplate* chat_template() const { return template_ ? &*template_ : nullptr; }
  // Why the file's own template cannot be parsed; null when it can be, or there is none.
  const Error* template_error() const { return template_error_ ? &*template_error_ : nullptr; }
  Backend& backend() { return *backend_; }
  Model& model() { return *model_; }

  // The prompt for a conversation, with the template's bos and eos texts filled in. There must be a
  // template.
  Result<std::string> render(ChatPrompt prompt) const;

 private:
  LoadedModel() = default;

  ModelCard card_;
  std::unique_ptr<Backend> backend_;  // outlives the model's weights
  std::unique_ptr<const Tokenizer> tokenizer_;
  std::optional<ChatTemplate> template_;
  std::optional<Error> template_error_;
  std::unique_ptr<Model> model_;
};

}  // namespace quern
