#include "server/embedding_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "engine/embedding.h"
#include "server/inbox.h"
#include "server/live_requests.h"
#include "server/request_deadlines.h"

namespace quern::server {
namespace {

constexpr size_t kMaxInFlight = 16;

struct Embedded {
  size_t i_input = 0;
  std::vector<float> values = {};
  uint32_t n_prompt_tokens = 0;
  std::optional<ApiError> error = {};
};

ApiError embedding_error(const TokenEvent& event, EngineThread& engine) {
  const Error error{.kind = event.error_kind,
                    .where = "engine",
                    .what = std::string(event.error),
                    .expected = {}};
  ApiError told = from_finish(*event.finish, event.cause, error);
  if (told.status == 429) {
    told.retry_after_s = engine.retry_after_s();
  }
  return told;
}

// The engine's requests of one batch; what still runs at the end is cancelled.
class EmbeddingRun {
 public:
  EmbeddingRun(Exchange& exchange, EmbeddingBatch& batch)
      : exchange_(exchange),
        engine_(batch.lease.engine()),
        batch_(batch),
        limits_(engine_.queue_limits()),
        inbox_(std::make_shared<Inbox<Embedded>>(exchange.executor())) {
    for (const auto& input : batch.inputs) {
      n_tokens_.push_back(input.size());
    }
  }
  EmbeddingRun(const EmbeddingRun&) = delete;
  EmbeddingRun& operator=(const EmbeddingRun&) = delete;
  ~EmbeddingRun() {
    exchange_.on_client_gone({});
    inbox_->close();
    cancel();
  }

  void cancel() {
    is_cancelled_ = true;
    for (const SeqId id : submitted_) {
      engine_.cancel(id);
    }
  }

  void list_in(LiveRequests& live) {
    LiveRequests::Entry entry;
    entry.request_id = exchange_.request().request_id;
    entry.key_salt = exchange_.request().key_salt;
    entry.model = batch_.lease.name();
    entry.priority = batch_.schedule.priority;
    entry.arrival_us = arrival_of(exchange_);
    for (const uint64_t n_tokens : n_tokens_) {
      entry.n_prompt_tokens += static_cast<uint32_t>(n_tokens);
    }
    entry.engine = &engine_;
    entry.sequences = &submitted_;
    entry.cancel = [this] { cancel(); };
    ticket_ = live.add(std::move(entry));
    exchange_.on_client_gone([this] { cancel(); });
  }

  // Until enough are in flight, or all are; an error ends the batch.
  std::optional<ApiError> submit_some() {
    while (!is_cancelled_ && submitted_.size() < n_tokens_.size() && has_room()) {
      if (auto error = submit(submitted_.size())) {
        return error;
      }
    }
    if (is_cancelled_ && submitted_.size() == n_done_) {
      return from_finish(FinishReason::cancelled, FinishCause::none, Error{});
    }
    return std::nullopt;
  }

  boost::asio::awaitable<std::optional<Embedded>> next() {
    std::optional<Embedded> one = co_await inbox_->next();
    ++n_done_;
    if (one) {
      n_tokens_in_flight_ -= n_tokens_[one->i_input];
    }
    co_return one;
  }

 private:
  // For the next one, in a queue that nobody else is in.
  bool has_room() const {
    const size_t n_in_flight = submitted_.size() - n_done_;
    return n_in_flight == 0 ||
           (n_in_flight < std::min<size_t>(kMaxInFlight, limits_.n_requests) &&
            n_tokens_in_flight_ + n_tokens_[submitted_.size()] <= limits_.n_tokens);
  }

  std::optional<ApiError> submit(size_t i) {
    const std::vector<TokenId>& tokens = batch_.inputs[i];
    if (tokens.empty()) {
      return bad_field("input", fmt::format("input {} has no tokens; expected at least one", i));
    }
    if (tokens.size() > engine_.max_context()) {
      ApiError error;
      error.code = "context_length_exceeded";
      error.param = "input";
      error.message = fmt::format(
          "input {} has {} tokens, and the context of this server's model holds {}; expected a "
          "shorter text",
          i, tokens.size(), engine_.max_context());
      return error;
    }
    const Result<SeqId> id = engine_.submit(request_of(i));
    if (!id) {
      return from_error(id.error());
    }
    submitted_.push_back(*id);
    n_tokens_in_flight_ += n_tokens_[i];
    return std::nullopt;
  }

  Request request_of(size_t i) {
    Request request = embedding_request(
        std::move(batch_.inputs[i]), [inbox = inbox_, i](Result<Embedding>&& result) {
          if (result) {
            inbox->push({.i_input = i,
                         .values = std::move(result->values),
                         .n_prompt_tokens = result->usage.prompt_tokens});
          }
        });
    // Failures are told with their cause, which the result does not have.
    request.on_event = [inbox = inbox_, i, &engine = engine_,
                        succeed = std::move(request.on_event)](const TokenEvent& event) {
      const bool is_failed = event.finish && *event.finish != FinishReason::length &&
                             *event.finish != FinishReason::stop;
      if (is_failed) {
        inbox->push({.i_input = i, .error = embedding_error(event, engine)});
      } else {
        succeed(event);
      }
    };
    request.priority = batch_.schedule.priority;
    request.deadlines = deadlines_of(batch_.schedule, arrival_of(exchange_));
    request.cache_salt = exchange_.request().key_salt + "/" + batch_.cache_salt;
    request.client_id = exchange_.request().request_id;
    return request;
  }

  Exchange& exchange_;
  EngineThread& engine_;
  EmbeddingBatch& batch_;
  const EngineThread::QueueLimits limits_;
  const std::shared_ptr<Inbox<Embedded>> inbox_;  // shared with callbacks on the engine's thread
  std::vector<uint64_t> n_tokens_;                // of each input
  std::vector<SeqId> submitted_;
  LiveRequests::Ticket ticket_;
  uint64_t n_tokens_in_flight_ = 0;
  size_t n_done_ = 0;
  bool is_cancelled_ = false;
};

}  // namespace

size_t n_json_bytes(const Embeddings& embeddings) {
  constexpr size_t kBytesPerNumber = 12;  // "-0.01234567,"
  const size_t n_numbers = embeddings.vectors.empty()
                               ? 0
                               : embeddings.vectors.front().size() * embeddings.vectors.size();
  return n_numbers * kBytesPerNumber;
}

boost::asio::awaitable<Api<EmbeddingBatch>> embedding_batch(ServerContext& context,
                                                            const ModelLease& lease,
                                                            EmbeddingInputs wanted) {
  EmbeddingBatch batch{.lease = lease,
                       .inputs = {},
                       .schedule = wanted.schedule,
                       .cache_salt = std::move(wanted.cache_salt)};
  const uint32_t max_context = lease.engine().max_context();
  Api<PromptTokens> inputs = co_await prompt_tokens(context, lease, std::move(wanted.inputs));
  if (!inputs) {
    inputs.error().param = "input";
    co_return refuse(std::move(inputs.error()));
  }
  for (std::vector<TokenId>& tokens : *inputs) {
    if (wanted.truncate && tokens.size() > max_context) {
      tokens.resize(max_context);
    }
  }
  batch.inputs = std::move(*inputs);
  co_return batch;
}

boost::asio::awaitable<Api<Embeddings>> compute_embeddings(Exchange& exchange,
                                                           ServerContext& context,
                                                           EmbeddingBatch batch) {
  Embeddings made;
  made.vectors.resize(batch.inputs.size());
  EmbeddingRun run(exchange, batch);
  run.list_in(context.live);
  for (size_t i = 0; i < made.vectors.size(); ++i) {
    std::optional<ApiError> error = run.submit_some();
    if (error) {
      co_return refuse(std::move(*error));
    }
    std::optional<Embedded> one = co_await run.next();
    if (one && one->error) {
      co_return refuse(std::move(*one->error));
    }
    if (one) {
      made.n_prompt_tokens += one->n_prompt_tokens;
      made.vectors[one->i_input] = std::move(one->values);
    }
  }
  exchange.count_tokens(static_cast<uint32_t>(made.n_prompt_tokens), 0);
  co_return made;
}

}  // namespace quern::server
