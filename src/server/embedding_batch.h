// The vectors of many texts, computed beside everything else on the model's engine. For every
// dialect's embedding route.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/generation.h"
#include "server/openai_completions.h"

namespace quern::server {

struct EmbeddingBatch {
  const ModelLease& lease;
  std::vector<std::vector<TokenId>> inputs;
  ScheduleFields schedule = {};
  std::string cache_salt = {};
};

struct Embeddings {
  std::vector<std::vector<float>> vectors;  // one for each input, of length 1
  uint64_t n_prompt_tokens = 0;
};

// About so many of JSON.
size_t n_json_bytes(const Embeddings& embeddings);

// What a request asks to have computed.
struct EmbeddingInputs {
  std::vector<PromptInput> inputs = {};
  bool truncate = false;  // an input beyond the context is cut to it, else it is an error
  ScheduleFields schedule = {};
  std::string cache_salt = {};
};
// Its texts as tokens. An input at fault is 400 naming "input".
boost::asio::awaitable<Api<EmbeddingBatch>> embedding_batch(ServerContext& context,
                                                            const ModelLease& lease,
                                                            EmbeddingInputs wanted);

// A few at a time, so that one request does not fill the queue. The first that fails decides, and
// the others are cancelled; so they are when the client goes away. An input beyond the context: 400
// context_length_exceeded.
boost::asio::awaitable<Api<Embeddings>> compute_embeddings(Exchange& exchange,
                                                           ServerContext& context,
                                                           EmbeddingBatch batch);

}  // namespace quern::server
