// POST /api/generate and /api/chat.
#pragma once

#include "server/exchange.h"
#include "server/server_context.h"

namespace quern::server {

Task ollama_generate(Exchange& exchange, ServerContext& context);
Task ollama_chat(Exchange& exchange, ServerContext& context);

}  // namespace quern::server
