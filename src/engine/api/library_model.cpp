#include "engine/api/library_model.h"

#include <fmt/format.h>

#include <utility>

#include "engine/embedding.h"

namespace quern::library {

void AnswerQueue::put(const TokenEvent& event) {
  const std::lock_guard lock(mutex_);
  text_ += event.text;
  if (event.finish) {
    end_ = AnswerEnd{.finish = *event.finish,
                     .usage = event.usage,
                     .seed = seed_,
                     .error = std::string(event.error),
                     .error_kind = event.error_kind};
  }
  changed_.notify_one();
}

AnswerQueue::Piece AnswerQueue::take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !text_.empty() || end_; });
  return {.text = std::exchange(text_, {}), .end = end_};
}

Result<std::shared_ptr<LibraryModel>> LibraryModel::load(LibraryLoad load) {
  constexpr uint32_t kMostSeqs = 4096;
  constexpr uint32_t kBatchTokens = 512;  // unless more requests want a token each
  if (load.max_seqs == 0 || load.max_seqs > kMostSeqs) {
    return fail({.kind = ErrorKind::invalid_input,
                 .where = "library",
                 .what = fmt::format("max_requests is {}", load.max_seqs),
                 .expected = fmt::format("a number from 1 to {}", kMostSeqs)});
  }
  const std::shared_ptr<LibraryModel> model(new LibraryModel);
  const Log silent;
  QUERN_ASSIGN(model->loaded_, LoadedModel::load({.path = std::move(load.path),
                                                  .n_threads = load.n_threads,
                                                  .max_batch_tokens = kBatchTokens,
                                                  .max_seqs = load.max_seqs,
                                                  .progress = std::move(load.progress)},
                                                 silent));
  QUERN_ASSIGN(model->engine_, EngineThread::start(*model->loaded_,
                                                   {.engine = {.max_context = load.max_context,
                                                               .kv_bytes = load.kv_bytes,
                                                               .max_seqs = load.max_seqs}},
                                                   model->metrics_, silent));
  return model;
}

Result<std::vector<float>> LibraryModel::embed(std::string_view text) {
  QUERN_ASSIGN(std::vector<TokenId> tokens,
               loaded_->tokenizer().encode(text, {.add_special = true, .parse_special = false}));
  return quern::embed(*engine_, std::move(tokens));
}

Result<std::unique_ptr<LibraryRequest>> LibraryRequest::start(
    const std::shared_ptr<LibraryModel>& model, Request request, OnText on_text) {
  std::unique_ptr<LibraryRequest> result(new LibraryRequest);
  result->model_ = model;
  result->queue_ = std::make_shared<AnswerQueue>(request.sampling.seed);
  result->on_text_ = std::move(on_text);
  request.on_event = [queue = result->queue_](const TokenEvent& event) { queue->put(event); };
  QUERN_ASSIGN(result->id_, model->engine().submit(std::move(request)));
  return result;
}

LibraryRequest::~LibraryRequest() {
  cancel();
}

void LibraryRequest::cancel() {
  // A model that is gone has ended its requests.
  if (const std::shared_ptr<LibraryModel> model = model_.lock()) {
    model->engine().cancel(id_);
  }
}

const AnswerEnd& LibraryRequest::wait() {
  while (!end_) {
    AnswerQueue::Piece piece = queue_->take();
    if (!piece.text.empty() && on_text_ && !on_text_(piece.text)) {
      on_text_ = nullptr;
      cancel();
    }
    end_ = std::move(piece.end);
  }
  return *end_;
}

}  // namespace quern::library
