#include "server/generation.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "server/inbox.h"
#include "server/live_requests.h"
#include "server/request_deadlines.h"

namespace quern::server {
namespace {

// What may wait for a client that reads slowly; beyond it the request is cancelled.
constexpr size_t kMaxPendingBytes = size_t{4} << 20;
// Choices of one request on the engine at a time. The next begins when one ends, so that a request
// for many does not hold every place that others wait for.
constexpr uint32_t kMaxChoicesAtOnce = 16;

// A TokenEvent that owns what it refers to.
struct RawEvent {
  uint32_t choice = 0;
  TokenId token = kNoToken;
  std::string text;
  std::optional<float> logprob;
  std::vector<TokenLogprob> top;
  std::optional<FinishReason> finish;
  FinishCause cause = FinishCause::none;
  std::optional<Error> error;
  RequestUsage usage;

  size_t n_bytes() const {
    return sizeof(RawEvent) + text.size() + top.size() * sizeof(TokenLogprob);
  }
};

RawEvent copy_of(const TokenEvent& event, uint32_t choice) {
  RawEvent raw;
  raw.choice = choice;
  raw.token = event.token;
  raw.text = event.text;
  if (event.sample != nullptr) {
    raw.logprob = event.sample->logprob;
    raw.top.assign(event.sample->top_logprobs.begin(), event.sample->top_logprobs.end());
  }
  raw.finish = event.finish;
  raw.cause = event.cause;
  if (event.finish == FinishReason::error) {
    raw.error = Error{.kind = event.error_kind,
                      .where = "engine",
                      .what = std::string(event.error),
                      .expected = ""};
  }
  raw.usage = event.usage;
  return raw;
}

// From the engine thread to the coroutine, within bounds.
class Wire {
 public:
  explicit Wire(boost::asio::any_io_executor executor)
      : inbox_(std::make_shared<Inbox<RawEvent>>(std::move(executor))) {}

  // On the engine thread. What comes after too much has piled up is lost but for the end, so that
  // what arrives is the answer's beginning, without a hole.
  void push(const TokenEvent& event, uint32_t choice, EngineThread& engine) {
    if (n_pending_bytes_.load(std::memory_order_relaxed) > kMaxPendingBytes) {
      is_cut_.store(true, std::memory_order_relaxed);
    }
    const bool is_cut = is_cut_.load(std::memory_order_relaxed);
    if (is_cut && !event.finish) {
      engine.cancel(event.id);
      return;
    }
    RawEvent raw = copy_of(event, choice);
    if (is_cut) {
      raw.text.clear();
    }
    n_pending_bytes_.fetch_add(raw.n_bytes(), std::memory_order_relaxed);
    inbox_->push(std::move(raw));
  }

  boost::asio::awaitable<std::optional<RawEvent>> next() {
    std::optional<RawEvent> raw = co_await inbox_->next();
    if (raw) {
      n_pending_bytes_.fetch_sub(raw->n_bytes(), std::memory_order_relaxed);
    }
    co_return raw;
  }

  void close() { inbox_->close(); }

  // On the engine thread: a sequence's last event, which its client may be slow to read.
  void note_end(const TokenEvent& event) {
    const std::lock_guard lock(mutex_);
    n_tokens_of_ended_[value(event.id)] = event.usage.completion_tokens;
  }

  uint32_t n_tokens_of_ended(SeqId id) const {
    const std::lock_guard lock(mutex_);
    const auto found = n_tokens_of_ended_.find(value(id));
    return found == n_tokens_of_ended_.end() ? 0 : found->second;
  }

 private:
  const std::shared_ptr<Inbox<RawEvent>> inbox_;
  std::atomic<size_t> n_pending_bytes_{0};
  std::atomic<bool> is_cut_{false};
  mutable std::mutex mutex_;
  std::unordered_map<uint64_t, uint32_t> n_tokens_of_ended_;  // by sequence
};

// Choices of each prompt that an idle server's queue has room for.
uint32_t n_choices_at_once(const GenerationSpec& spec, const EngineThread::QueueLimits& limits) {
  const PromptCrowd crowd = spec.crowd.value_or(PromptCrowd{.n_tokens = spec.prompt.size()});
  const uint64_t by_requests = limits.n_requests / std::max(1U, crowd.n_prompts);
  const uint64_t by_tokens = limits.n_tokens / std::max<uint64_t>(1, crowd.n_tokens);
  const uint64_t n_most = std::min({uint64_t{kMaxChoicesAtOnce}, by_requests, by_tokens});
  return std::min(spec.n_choices, static_cast<uint32_t>(std::max<uint64_t>(1, n_most)));
}

// The markers of these styles are control tokens, which answers otherwise leave out.
bool has_special_markers(ToolStyle style) {
  return style == ToolStyle::llama3 || style == ToolStyle::mistral || style == ToolStyle::deepseek;
}

}  // namespace

class Generation::Impl {
 public:
  Impl(Exchange& exchange, ServerContext& context, ModelLease lease)
      : exchange_(exchange),
        context_(context),
        lease_(std::move(lease)),
        wire_(std::make_shared<Wire>(exchange.executor())) {}

  ~Impl() {
    exchange_.on_client_gone({});
    wire_->close();
    cancel_begun();
  }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Api<bool> submit(GenerationSpec spec) {
    const uint32_t max_context = lease_.engine().max_context();
    n_prompt_ = static_cast<uint32_t>(spec.prompt.size());
    if (spec.prompt.empty()) {
      return refuse(bad_field(spec.prompt_field,
                              spec.prompt_field + " has no tokens; expected at least one"));
    }
    if (spec.prompt.size() >= max_context) {
      return refuse(context_exceeded({.field = spec.prompt_field, .n_tokens = spec.prompt.size()},
                                     max_context));
    }
    n_choices_ = n_live_ = spec.n_choices;
    for (uint32_t choice = 0; choice < n_choices_; ++choice) {
      parsers_.emplace_back(spec.format);
    }
    sequences_.reserve(n_choices_);
    const uint32_t n_at_once = n_choices_at_once(spec, lease_.engine().queue_limits());
    pattern_ = request_of(spec);
    while (sequences_.size() < n_at_once) {
      if (const Status submitted = submit_one(); !submitted) {
        return refuse(from_error(submitted.error()));
      }
    }
    // The request has begun: the later choices wait for their own fellows only.
    pattern_.deadlines.queue_us = kNoDeadline;
    pattern_.deadlines.first_token_us = kNoDeadline;
    enter_lists();
    return true;
  }

  boost::asio::awaitable<std::optional<GenerationEvent>> next() {
    if (n_live_ == 0) {
      co_return std::nullopt;
    }
    std::optional<RawEvent> raw = co_await wire_->next();
    while (raw && is_cancelled_ && !raw->finish) {
      raw = co_await wire_->next();
    }
    if (!raw) {
      co_return std::nullopt;
    }
    if (is_cancelled_) {
      end_as_cancelled(*raw);
    }
    co_return event_of(std::move(*raw));
  }

  void cancel_begun() {
    for (const SeqId id : sequences_) {
      lease_.engine().cancel(id);
    }
  }

  // Also what is computed but was not handed on yet: whoever cancels is told that it worked.
  void cancel() {
    is_cancelled_ = true;
    cancel_begun();
    while (n_begun_ < n_choices_) {
      end_unbegun({.token = kNoToken, .text = {}, .finish = FinishReason::cancelled, .error = {}});
    }
  }

  const ModelLease& lease() const { return lease_; }
  uint32_t n_prompt_tokens() const { return n_prompt_; }

 private:
  Request request_of(GenerationSpec& spec) {
    Request request;
    request.prompt = std::move(spec.prompt);
    request.sampling = std::move(spec.sampling);
    request.max_tokens =
        spec.max_tokens == 0 ? lease_.engine().max_context() - n_prompt_ : spec.max_tokens;
    request.stop = std::move(spec.stop);
    request.stop_tokens = std::move(spec.stop_tokens);
    request.keep_special = has_special_markers(spec.format.tools);
    request.priority = spec.schedule.priority;
    request.deadlines = deadlines_of(spec.schedule, arrival_of(exchange_));
    // The first part is hexadecimal, so that no salt of a client reaches into another key's.
    request.cache_salt = exchange_.request().key_salt + "/" + spec.cache_salt;
    request.client_id = exchange_.request().request_id;
    return request;
  }

  Status submit_one() {
    EngineThread& engine = lease_.engine();
    const uint32_t choice = n_begun_;
    Request one = pattern_;
    one.choice_index = choice;
    one.on_event = [wire = wire_, choice, &engine](const TokenEvent& event) {
      if (event.finish) {
        wire->note_end(event);
      }
      wire->push(event, choice, engine);
    };
    QUERN_ASSIGN(const SeqId id, engine.submit(std::move(one)));
    ++n_begun_;
    sequences_.push_back(id);
    return {};
  }

  // The next choice ends before it began.
  void end_unbegun(const TokenEvent& event) { wire_->push(event, n_begun_++, lease_.engine()); }

  void submit_next() {
    if (n_begun_ == n_choices_) {
      return;
    }
    if (const Status submitted = submit_one(); !submitted) {
      const std::string what = submitted.error().what;
      end_unbegun({.token = kNoToken,
                   .text = {},
                   .finish = FinishReason::error,
                   .error = what,
                   .error_kind = submitted.error().kind});
    }
  }

  void enter_lists() {
    LiveRequests::Entry entry;
    entry.request_id = pattern_.client_id;
    entry.key_salt = exchange_.request().key_salt;
    entry.model = lease_.name();
    entry.priority = pattern_.priority;
    entry.arrival_us = arrival_of(exchange_);
    entry.n_prompt_tokens = n_prompt_;
    entry.engine = &lease_.engine();
    entry.sequences = &sequences_;
    entry.n_tokens_of_ended = [this](SeqId id) { return wire_->n_tokens_of_ended(id); };
    entry.cancel = [this] { cancel(); };
    ticket_ = context_.live.add(std::move(entry));
    exchange_.on_client_gone([this] { cancel(); });
  }

  // A deadline or a fault that came first stays what it is.
  static void end_as_cancelled(RawEvent& raw) {
    raw.text.clear();
    raw.token = kNoToken;
    if (raw.finish == FinishReason::stop || raw.finish == FinishReason::length) {
      raw.finish = FinishReason::cancelled;
      raw.cause = FinishCause::none;
    }
  }

  GenerationEvent event_of(RawEvent raw) {
    GenerationEvent event;
    event.choice = raw.choice;
    AnswerParser& parser = parsers_[raw.choice];
    if (!raw.text.empty()) {
      parser.push(raw.text, event.deltas);
    }
    if (raw.token != kNoToken) {
      event.token = TokenInfo{
          .token = raw.token,
          .bytes = std::string(lease_.model().tokenizer().token_bytes(raw.token)),
          .logprob = raw.logprob,
          .top = std::move(raw.top),
      };
    }
    if (raw.finish) {
      parser.finish(event.deltas);
      event.finish = raw.finish;
      event.cause = raw.cause;
      event.error = std::move(raw.error);
      event.usage = raw.usage;
      note_end(raw.usage);
    }
    return event;
  }

  void note_end(const RequestUsage& usage) {
    --n_live_;
    exchange_.count_tokens(n_live_ == 0 ? n_prompt_ : 0, usage.completion_tokens);
    submit_next();
    if (n_live_ == 0) {
      ticket_ = {};
    }
  }

  Exchange& exchange_;
  ServerContext& context_;
  ModelLease lease_;
  // Shared with callbacks on the engine thread, which may come after the end.
  const std::shared_ptr<Wire> wire_;
  std::vector<AnswerParser> parsers_;  // of each choice
  std::vector<SeqId> sequences_;
  LiveRequests::Ticket ticket_;
  Request pattern_;  // what every choice asks for
  uint32_t n_prompt_ = 0;
  uint32_t n_choices_ = 0;
  uint32_t n_begun_ = 0;  // of them: submitted, or ended before that
  uint32_t n_live_ = 0;   // not ended
  bool is_cancelled_ = false;
};

ApiError context_exceeded(const PromptLength& length, uint32_t max_context) {
  ApiError error;
  error.code = "context_length_exceeded";
  error.param = length.field;
  error.message = fmt::format(
      "the prompt has {}{} tokens, and the context of this server's model holds {}, the answer "
      "included; expected a shorter prompt",
      length.is_least ? "at least " : "", length.n_tokens, max_context);
  return error;
}

std::optional<ApiError> cannot_fit(const ModelLease& lease, std::string_view field,
                                   size_t n_text_bytes) {
  const uint64_t n_tokens = lease.model().tokenizer().least_tokens(n_text_bytes);
  const uint32_t max_context = lease.engine().max_context();
  if (n_tokens < max_context) {
    return std::nullopt;
  }
  return context_exceeded({.field = field, .n_tokens = n_tokens, .is_least = true}, max_context);
}

Generation::Generation(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Generation::~Generation() = default;

Api<std::unique_ptr<Generation>> Generation::start(Exchange& exchange, ServerContext& context,
                                                   Job job) {
  auto impl = std::make_unique<Impl>(exchange, context, std::move(job.lease));
  const Api<bool> submitted = impl->submit(std::move(job.spec));
  if (!submitted) {
    return refuse(submitted.error());
  }
  return std::unique_ptr<Generation>(new Generation(std::move(impl)));
}

boost::asio::awaitable<std::optional<GenerationEvent>> Generation::next() {
  return impl_->next();
}

void Generation::cancel() {
  impl_->cancel();
}

const ModelLease& Generation::lease() const {
  return impl_->lease();
}

uint32_t Generation::n_prompt_tokens() const {
  return impl_->n_prompt_tokens();
}

}  // namespace quern::server
