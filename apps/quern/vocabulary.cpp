#include "vocabulary.h"

#include "gguf/reader.h"
#include "model/tokenizer_from_card.h"

namespace quern::app {

void add_vocabulary_flags(CLI::App& command, VocabularyFlags& flags) {
  add_model_name(command, flags.name)->required();
  add_unknown_pre_flag(command, flags.allow_unknown_pre);
}

Result<std::unique_ptr<const Tokenizer>> load_vocabulary(const VocabularyFlags& flags) {
  QUERN_ASSIGN(const std::filesystem::path path, find_model(flags.name));
  QUERN_ASSIGN(const ModelCard card, read_model_card(path));
  auto tokenizer =
      make_tokenizer(card, Log::to_stderr(false), {.allow_unknown_pre = flags.allow_unknown_pre});
  if (!tokenizer) {
    return fail_in(path.string(), std::move(tokenizer).error());
  }
  return tokenizer;
}

}  // namespace quern::app
