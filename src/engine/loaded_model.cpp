#include "engine/loaded_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <thread>

#include "backend/cpu/cpu_backend.h"
#include "base/system_info.h"
#include "gguf/reader.h"
#include "model/tokenizer_from_card.h"

namespace quern {
namespace {

// Packed weights take what the file's tensors take; beside them a run needs room for KV and
// activations.
Status check_memory(const ModelCard& card) {
  constexpr uint64_t kHeadroomBytes = uint64_t{64} << 20;
  const uint64_t available = available_memory_bytes();
  if (available < kHeadroomBytes || card.tensor_bytes() > available - kHeadroomBytes) {
    return fail({.kind = ErrorKind::out_of_memory,
                 .where = "model",
                 .what = fmt::format("the weights take {} MB, {} MB of memory are available",
                                     card.tensor_bytes() >> 20, available >> 20),
                 .expected = "a smaller or more strongly quantised model"});
  }
  return {};
}

std::string token_text(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  return id ? std::string(tokenizer.token_bytes(*id)) : std::string();
}

// A vocabulary or a template that asks for more memory than there is fails; it ends nothing.
template <typename Make>
auto within_memory(const Make& make) -> decltype(make()) {
  try {
    return make();
  } catch (const std::bad_alloc&) {
    return fail({.kind = ErrorKind::out_of_memory,
                 .where = "model",
                 .what = "there is not enough memory to load it",
                 .expected = "a smaller model, or fewer loaded at one time"});
  }
}

}  // namespace

Result<std::unique_ptr<LoadedModel>> LoadedModel::load(LoadOptions options, const Log& log) {
  std::unique_ptr<LoadedModel> loaded(new LoadedModel);
  QUERN_ASSIGN(loaded->card_, read_model_card(options.path, options.fail_points));
  QUERN_TRY(check_memory(loaded->card_));
  loaded->backend_ = std::move(options.backend);
  if (!loaded->backend_) {
    QUERN_ASSIGN(loaded->backend_,
                 make_cpu_backend({.n_threads = options.n_threads, .isa = options.isa}));
  }
  // The vocabulary is built while the weights are packed: the two take about as long for a small
  // model.
  Result<std::unique_ptr<const Tokenizer>> tokenizer = std::unique_ptr<const Tokenizer>();
  std::thread words([&] {
    tokenizer = within_memory([&] {
      return make_tokenizer(loaded->card_, log, {.allow_unknown_pre = options.allow_unknown_pre});
    });
  });
  auto model = within_memory([&] {
    return Model::load(loaded->card_, *loaded->backend_,
                       {.max_rows = std::max(options.max_batch_tokens, options.max_seqs),
                        .max_sequences = options.max_seqs,
                        .progress = options.progress,
                        .log = log,
                        .fail_points = options.fail_points});
  });
  words.join();
  if (!tokenizer) {
    return fail_in(options.path.string(), std::move(tokenizer).error());
  }
  if (!model) {
    return fail_in(options.path.string(), std::move(model).error());
  }
  loaded->tokenizer_ = std::move(*tokenizer);
  loaded->model_ = std::move(*model);
  if (loaded->tokenizer_->vocab_size() > loaded->model_->config().vocab_size) {
    return fail_in(
        options.path.string(),
        {.kind = ErrorKind::invalid_input,
         .where = "model",
         .what = fmt::format("the vocabulary has {} tokens, the embedding {} rows",
                             loaded->tokenizer_->vocab_size(), loaded->model_->config().vocab_size),
         .expected = "a row for every token"});
  }
  if (const auto source = loaded->card_.string("tokenizer.chat_template")) {
    auto parsed = ChatTemplate::parse(*source);
    if (parsed) {
      loaded->template_ = std::move(*parsed);
    } else {
      log.warn("the model's chat template cannot be used: " + parsed.error().to_string());
      loaded->template_error_ = std::move(parsed).error();
    }
  }
  return loaded;
}

Result<std::string> LoadedModel::render(ChatPrompt prompt) const {
  const SpecialTokens& special = tokenizer_->special();
  prompt.bos_token = token_text(*tokenizer_, special.bos);
  prompt.eos_token = token_text(*tokenizer_, special.eos);
  return template_->render(prompt);
}

}  // namespace quern
