// POST /v1/embeddings: reading the request and writing the vectors. Pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/exchange.h"
#include "server/openai_completions.h"

namespace quern::server {

struct EmbeddingCall {
  std::string model = {};
  std::vector<PromptInput> inputs = {};
  bool is_base64 = false;
  std::optional<uint32_t> dimensions = {};
  ScheduleFields schedule = {};
};

struct Embeddings {
  std::vector<std::vector<float>> vectors;  // one for each input
  uint64_t n_prompt_tokens = 0;
};

Api<EmbeddingCall> read_embedding_call(std::string_view body);

// 400 when the request wants another length than the vectors have.
Api<Json> embeddings_answer(const EmbeddingCall& call, const std::string& model,
                            const Embeddings& embeddings);

// The models that run so far give next tokens; one with vectors is told apart here.
boost::asio::awaitable<Api<Embeddings>> compute_embeddings(const ModelLease& lease);

// Little-endian float32 in base64, as OpenAI sends them.
std::string base64_floats(std::span<const float> values);

Task embeddings(Exchange& exchange, ServerContext& context);

}  // namespace quern::server
