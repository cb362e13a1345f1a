// POST /v1/embeddings: reading the request and writing the vectors. Pure functions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/embedding_batch.h"
#include "server/exchange.h"

namespace quern::server {

inline constexpr size_t kMaxEmbeddingInputs = 2048;  // OpenAI's

struct EmbeddingCall {
  std::string model = {};
  EmbeddingInputs wanted = {};
  bool is_base64 = false;
  std::optional<uint32_t> dimensions = {};
};

Api<EmbeddingCall> read_embedding_call(std::string_view body);

// 400 when the request wants another length than the vectors have.
Api<Json> embeddings_answer(const EmbeddingCall& call, const std::string& model,
                            const Embeddings& embeddings);

// Little-endian float32 in base64, as OpenAI sends them.
std::string base64_floats(std::span<const float> values);

Task embeddings(Exchange& exchange, ServerContext& context);

}  // namespace quern::server
