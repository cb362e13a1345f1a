#include "vocabulary.h"

#include "gguf/reader.h"
#include "host.h"
#include "model/tokenizer_from_card.h"

namespace quern::app {

Result<std::unique_ptr<const Tokenizer>> load_vocabulary(const VocabularyRequest& request) {
  QUERN_ASSIGN(const std::filesystem::path path, resolve_model(request.model, host_paths()));
  QUERN_ASSIGN(const ModelCard card, read_model_card(path));
  return make_tokenizer(card, Log::to_stderr(false),
                        {.allow_unknown_pre = request.allow_unknown_pre});
}

}  // namespace quern::app
