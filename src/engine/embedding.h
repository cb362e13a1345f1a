// Embeddings: a text's vector is the mean of its tokens' last hidden states (after the final norm),
// scaled to length 1, as Ollama gives it for models without a pooling of their own.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine_thread.h"
#include "engine/request.h"

namespace quern {

// The mean of vectors added one by one, in their order: sums are doubles, so that it does not
// depend on how they came. Plain data.
class MeanPool {
 public:
  void add(std::span<const float> values);
  // Of length 1; all zeros stay what they are. Empty when nothing was added.
  std::vector<float> normalised() const;

 private:
  std::vector<double> sums_;
};

struct Embedding {
  std::vector<float> values;  // [d_model]
  RequestUsage usage = {};
};
// Called once, on the engine's thread, unless submit() refuses the request.
using EmbeddingReady = std::function<void(Result<Embedding>)>;

// A request for the embedding of these tokens; priority, deadlines and client_id may be set on it.
Request embedding_request(std::vector<TokenId> tokens, EmbeddingReady ready);

// Waits for it. Not from the engine's own thread. Errors: what submit() refuses; a request that
// failed or was cancelled.
Result<std::vector<float>> embed(EngineThread& engine, std::vector<TokenId> tokens);

}  // namespace quern
