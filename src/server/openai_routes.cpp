// The table of OpenAI's routes.
#include <array>

#include "server/openai_chat.h"
#include "server/openai_completions.h"
#include "server/openai_embeddings.h"
#include "server/openai_models.h"
#include "server/openai_tokenize.h"
#include "server/route.h"

namespace quern::server {

std::span<const Route> openai_routes() {
  constexpr Dialect kDialect = Dialect::openai;
  static constexpr std::array<Route, 8> kRoutes = {{
      {"GET", "/v1/models", list_openai_models, kDialect, false, true},
      {"GET", "/v1/models/{id+}", show_openai_model, kDialect, false, true},
      {"POST", "/v1/chat/completions", chat_completions, kDialect},
      {"POST", "/v1/completions", completions, kDialect},
      {"POST", "/v1/embeddings", embeddings, kDialect},
      {"POST", "/v1/rerank", rerank, kDialect, false, false, true},
      {"POST", "/tokenize", tokenize, kDialect},
      {"POST", "/detokenize", detokenize, kDialect},
  }};
  return kRoutes;
}

}  // namespace quern::server
