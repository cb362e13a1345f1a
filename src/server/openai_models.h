// GET /v1/models and /v1/models/{id}, and /v1/rerank, which no model can answer yet.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/api_error.h"
#include "server/exchange.h"
#include "server/server_context.h"

namespace quern::server {

struct RerankCall {
  std::string model;
  std::string query;
  std::vector<std::string> documents;
};

Api<RerankCall> read_rerank_call(std::string_view body);

Task list_openai_models(Exchange& exchange, ServerContext& context);
Task show_openai_model(Exchange& exchange, ServerContext& context);
Task rerank(Exchange& exchange, ServerContext& context);

}  // namespace quern::server
