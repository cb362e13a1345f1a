// POST /api/embed and the older /api/embeddings: reading the requests and writing the vectors.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/embedding_batch.h"
#include "server/exchange.h"
#include "server/fields.h"
#include "server/server_context.h"

namespace quern::server {

struct OllamaEmbedCall {
  std::string model;
  EmbeddingInputs wanted{.truncate = true};
  std::optional<int64_t> keep_alive_ms;
  std::optional<uint32_t> dimensions;
};

Api<OllamaEmbedCall> read_embed_call(std::string_view body);
// One text, in `prompt`.
Api<OllamaEmbedCall> read_old_embed_call(std::string_view body);

Task ollama_embed(Exchange& exchange, ServerContext& context);
Task ollama_old_embed(Exchange& exchange, ServerContext& context);

}  // namespace quern::server
