// The table of Ollama's routes.
#include <array>
#include <utility>

#include "server/ollama_embed.h"
#include "server/ollama_generate.h"
#include "server/ollama_models.h"
#include "server/reply.h"
#include "server/route.h"

namespace quern::server {
namespace {

// Ollama's clients look here first, to see whether a server answers.
Task greet(Exchange& exchange, ServerContext& /*context*/) {
  HttpResponse response;
  response.content_type = "text/plain; charset=utf-8";
  response.body = "Quern is running";
  co_await exchange.send(std::move(response));
}

Task not_yet(Exchange& exchange, ServerContext& /*context*/) {
  ApiError error{.status = 501,
                 .code = "not_implemented",
                 .message = exchange.request().path +
                            " is not implemented yet; put .gguf files into a model folder instead"};
  co_await send_error(exchange, std::move(error), Dialect::ollama);
}

constexpr Route stub(std::string_view method, std::string_view pattern) {
  return {.method = method,
          .pattern = pattern,
          .handler = not_yet,
          .dialect = Dialect::ollama,
          .is_stub = true};
}

}  // namespace

std::span<const Route> ollama_routes() {
  constexpr Dialect kDialect = Dialect::ollama;
  static constexpr std::array<Route, 16> kRoutes = {{
      {"GET", "/", greet, kDialect, false, true},
      {"GET", "/api/version", ollama_version, kDialect, false, true},
      {"GET", "/api/tags", ollama_tags, kDialect, false, true},
      {"POST", "/api/show", ollama_show, kDialect, false, true},
      {"GET", "/api/ps", ollama_ps, kDialect, false, true},
      {"POST", "/api/generate", ollama_generate, kDialect},
      {"POST", "/api/chat", ollama_chat, kDialect},
      {"POST", "/api/embed", ollama_embed, kDialect},
      {"POST", "/api/embeddings", ollama_old_embed, kDialect},
      stub("POST", "/api/pull"),
      stub("POST", "/api/push"),
      stub("POST", "/api/create"),
      stub("POST", "/api/copy"),
      stub("DELETE", "/api/delete"),
      stub("GET", "/api/blobs/{digest}"),
      stub("POST", "/api/blobs/{digest}"),
  }};
  return kRoutes;
}

}  // namespace quern::server
