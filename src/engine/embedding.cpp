#include "engine/embedding.h"

#include <cmath>
#include <future>
#include <memory>
#include <utility>

namespace quern {
namespace {

// An event's error is a whole line already; it is told again as what was found.
Error failure_of(const TokenEvent& event) {
  switch (*event.finish) {
    case FinishReason::cancelled:
      return {.kind = ErrorKind::cancelled,
              .where = "embedding",
              .what = "the request was cancelled",
              .expected = ""};
    case FinishReason::timeout:
      return {.kind = ErrorKind::cancelled,
              .where = "embedding",
              .what = "the request's time was up",
              .expected = "more time, or a retry when less is to do"};
    default:
      return {.kind = event.error_kind,
              .where = "embedding",
              .what = std::string(event.error),
              .expected = ""};
  }
}

}  // namespace

void MeanPool::add(std::span<const float> values) {
  sums_.resize(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    sums_[i] += static_cast<double>(values[i]);
  }
}

// A sum has the mean's direction, which is all that is left at length 1.
std::vector<float> MeanPool::normalised() const {
  double square = 0.0;
  for (const double sum : sums_) {
    square += sum * sum;
  }
  const double scale = square > 0.0 ? 1.0 / std::sqrt(square) : 0.0;
  std::vector<float> values;
  values.reserve(sums_.size());
  for (const double sum : sums_) {
    values.push_back(static_cast<float>(sum * scale));
  }
  return values;
}

Request embedding_request(std::vector<TokenId> tokens, EmbeddingReady ready) {
  const auto pool = std::make_shared<MeanPool>();  // of the two callbacks together
  Request request;
  request.prompt = std::move(tokens);
  request.on_hidden = [pool](uint32_t, std::span<const float> hidden) { pool->add(hidden); };
  request.on_event = [pool, ready = std::move(ready)](const TokenEvent& event) {
    if (!event.finish) {
      return;
    }
    if (*event.finish == FinishReason::length || *event.finish == FinishReason::stop) {
      ready(Embedding{.values = pool->normalised(), .usage = event.usage});
    } else {
      ready(fail(failure_of(event)));
    }
  };
  return request;
}

Result<std::vector<float>> embed(EngineThread& engine, std::vector<TokenId> tokens) {
  const auto promise =
      std::make_shared<std::promise<Result<Embedding>>>();  // outlives the callback
  auto answer = promise->get_future();
  QUERN_TRY(engine.submit(embedding_request(std::move(tokens), [promise](Result<Embedding> result) {
    promise->set_value(std::move(result));
  })));
  QUERN_ASSIGN(Embedding embedding, answer.get());
  return std::move(embedding.values);
}

}  // namespace quern
