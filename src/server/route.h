// Which handler answers which path. A family of routes is one file that returns its table.
#pragma once

#include <span>
#include <string_view>

#include "server/exchange.h"
#include "server/http_types.h"

namespace quern::server {

struct ServerContext;

struct Route {
  std::string_view method;
  std::string_view pattern;  // "/v1/requests/{id}"; "{id+}" takes slashes too, as in model names
  Task (*handler)(Exchange&, ServerContext&);
  Dialect dialect = Dialect::plain;
  bool is_open = false;         // answers without an API key
  bool while_draining = false;  // answers though the server accepts no new work
  bool is_stub = false;         // only says that it is not there yet: nobody is led to it
};

std::span<const Route> admin_routes();   // health, metrics, live requests, /openapi.json
std::span<const Route> openai_routes();  // models, chat, completions, embeddings, rerank, tokenize
std::span<const Route> responses_routes();  // /v1/responses
std::span<const Route> ollama_routes();     // /api/...
std::span<const Route> anthropic_routes();  // /v1/messages

}  // namespace quern::server
