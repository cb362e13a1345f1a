#include "engine/engine_thread.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/system_info.h"
#include "engine/current_error.h"
#include "engine/drain_rate.h"
#include "engine/live_table.h"
#include "engine/mailbox.h"
#include "engine/request_meter.h"
#include "engine/step_pacer.h"
#include "engine/step_watch.h"

namespace quern {
namespace {

constexpr int64_t kMicrosPerMilli = 1000;
// An engine is idle when nothing came for so long: then its pool is checked, once. A client that
// sends one request after another does not wait for that.
constexpr std::chrono::milliseconds kIdleAfter{50};
// There is work but none could be computed, which only a failed step leaves behind.
constexpr std::chrono::milliseconds kRetryAfter{10};

}  // namespace

class EngineThread::Impl {
 public:
  struct Outside {
    EngineMetrics& metrics;
    const Log& log;
  };
  Impl(LoadedModel& loaded, std::unique_ptr<Engine> engine, const Outside& outside);

  Status start(const EngineThreadConfig& config);
  void stop();

  Result<SeqId> submit(Request request);
  bool is_stuck();
  EngineSnapshot snapshot() const;
  uint32_t retry_after_s() const;

  const Engine& engine() const { return *engine_; }
  LiveTable& table() { return table_; }
  Mailbox& mailbox() { return *mailbox_; }
  const StepWatch& watch() const { return *watch_; }

 private:
  std::function<void(const TokenEvent&)> observed(EngineRequest& prepared);
  void observe_end(const TokenEvent& event);

  // On the engine thread.
  void run();
  void turn();
  void take_mail();
  void step();
  void publish();
  void count_deltas(const EngineStats& now);
  void rest();
  void check_integrity();
  void end_all();
  void report_stuck(int64_t now_us);

  LoadedModel& loaded_;
  std::unique_ptr<Engine> engine_;
  EngineMetrics& metrics_;
  const Log log_;
  std::unique_ptr<Mailbox> mailbox_;
  std::unique_ptr<StepWatch> watch_;
  LiveTable table_;
  std::atomic<uint64_t> next_id_{1};

  // Of the engine thread.
  std::unique_ptr<StepPacer> pacer_;
  Mail mail_;
  bool computed_ = false;  // the last step had something to do
  EngineStats counted_;    // what the metrics have

  mutable std::mutex published_mutex_;  // guards the two below
  EngineSnapshot published_;
  DrainRate drain_;

  std::thread thread_;  // last: it uses all of the above
};

EngineThread::Impl::Impl(LoadedModel& loaded, std::unique_ptr<Engine> engine,
                         const Outside& outside)
    : loaded_(loaded), engine_(std::move(engine)), metrics_(outside.metrics), log_(outside.log) {}

Status EngineThread::Impl::start(const EngineThreadConfig& config) {
  mailbox_ = std::make_unique<Mailbox>(MailboxLimits{.max_requests = config.engine.max_queue,
                                                     .max_tokens = config.engine.max_queue_tokens});
  watch_ = std::make_unique<StepWatch>(int64_t{config.stuck_after_ms} * kMicrosPerMilli);
  pacer_ = std::make_unique<StepPacer>(
      StepPacerConfig{.step_target_us = int64_t{config.step_target_ms} * kMicrosPerMilli,
                      .min_chunk = kKvBlockTokens,
                      .max_chunk = loaded_.model().max_rows()});
  publish();
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error&) {
    return fail({.kind = ErrorKind::out_of_memory,
                 .where = "engine",
                 .what = "the system gives no thread",
                 .expected = "fewer models or threads"});
  }
  return {};
}

void EngineThread::Impl::stop() {
  if (thread_.joinable()) {
    mailbox_->close();
    thread_.join();
  }
}

Result<SeqId> EngineThread::Impl::submit(Request request) {
  const SeqId id{next_id_.fetch_add(1, std::memory_order_relaxed)};
  QUERN_ASSIGN(EngineRequestPtr prepared,
               engine_->prepare(std::move(request), {.id = id, .time_us = monotonic_us()}));
  prepared->request.on_event = observed(*prepared);
  table_.add({.id = id,
              .client_id = prepared->request.client_id,
              .priority = prepared->request.priority,
              .prompt_tokens = prepared->n_prompt,
              .arrival_us = prepared->arrival_us});
  mailbox_->post(std::move(prepared));
  return id;
}

// The request's callback, behind all that is counted.
std::function<void(const TokenEvent&)> EngineThread::Impl::observed(EngineRequest& prepared) {
  return [this,
          meter = RequestMeter(metrics_,
                               {.time_us = prepared.arrival_us, .n_prompt = prepared.n_prompt}),
          told = std::move(prepared.request.on_event)](const TokenEvent& event) mutable {
    meter.observe(event, monotonic_us());
    if (event.finish) {
      observe_end(event);
    }
    if (told) {
      told(event);
    }
  };
}

void EngineThread::Impl::observe_end(const TokenEvent& event) {
  const bool never_ran = table_.remove(event.id);
  const std::lock_guard lock(published_mutex_);
  if (reject_reason(event)) {
    drain_.add_refused(monotonic_us());
  } else if (never_ran) {
    drain_.add_drained(monotonic_us(), 1);
  }
}

void EngineThread::Impl::run() {
  do {
    try {
      turn();
    } catch (...) {
      // The engine contains what fails inside; here a line of the log is lost at worst.
      mailbox_->wait_for(kRetryAfter);
    }
  } while (!mail_.closed);
  end_all();
}

void EngineThread::Impl::turn() {
  take_mail();
  step();
  publish();
  if (!mail_.closed && !computed_) {
    rest();
  }
}

void EngineThread::Impl::take_mail() {
  mailbox_->take(mail_);
  for (EngineRequestPtr& arrival : mail_.arrivals) {
    engine_->enqueue(std::move(arrival));
  }
  for (const Refusal& refusal : mail_.refusals) {
    tell_refused(*refusal.request, refusal.cause);
  }
  for (const SeqId id : mail_.cancels) {
    engine_->cancel(id);
  }
  engine_->hand_over();
}

void EngineThread::Impl::step() {
  computed_ = false;
  if (mail_.closed || !engine_->has_work()) {
    return;
  }
  engine_->set_prefill_chunk(pacer_->chunk(engine_->demand()));
  const int64_t start_us = monotonic_us();
  watch_->begin(start_us);
  computed_ = engine_->step();
  const int64_t end_us = monotonic_us();
  report_stuck(end_us);
  watch_->end();
  if (computed_) {
    pacer_->observe(engine_->last_rows(), end_us - start_us);
    metrics_.step_time_s.observe(static_cast<double>(end_us - start_us) / 1e6);
  }
}

void EngineThread::Impl::publish() {
  const EngineStats stats = engine_->stats();
  const BackendStats backend = loaded_.backend().stats();
  const uint32_t n_started = table_.update(engine_->running());
  count_deltas(stats);
  const std::lock_guard lock(published_mutex_);
  if (n_started > 0) {
    drain_.add_drained(monotonic_us(), n_started);
  }
  published_.stats = stats;
  published_.kv_bytes = stats.kv_blocks_ever_used * stats.kv_block_bytes;
  published_.kv_pool_bytes = stats.kv_blocks_total * stats.kv_block_bytes;
  published_.weights_bytes = backend.weight_bytes;
  published_.activations_bytes = backend.activation_bytes;
}

// Other models' engines add to the same metrics.
void EngineThread::Impl::count_deltas(const EngineStats& now) {
  metrics_.n_steps += now.n_steps - counted_.n_steps;
  metrics_.n_preemptions += now.n_preemptions - counted_.n_preemptions;
  metrics_.n_cache_queries += now.n_cache_query_tokens - counted_.n_cache_query_tokens;
  metrics_.n_cache_hits += now.n_cache_hit_tokens - counted_.n_cache_hit_tokens;
  metrics_.n_failed_steps += now.n_failed_steps - counted_.n_failed_steps;
  const auto n_new = [&](FailPoint point) {
    const auto i = static_cast<size_t>(point);
    return now.n_faults[i] - counted_.n_faults[i];
  };
  metrics_.n_unusable_logits += n_new(FailPoint::nan_logits);
  metrics_.n_failed_allocations += n_new(FailPoint::allocation);
  counted_ = now;
}

void EngineThread::Impl::rest() {
  if (engine_->has_work()) {
    mailbox_->wait_for(kRetryAfter);
  } else if (!mailbox_->wait_for(kIdleAfter)) {
    check_integrity();
    mailbox_->wait();
  }
}

void EngineThread::Impl::check_integrity() {
  const Status status = engine_->check();
  if (status) {
    log_.debug("idle; the block pool is whole");
  } else {
    ++metrics_.n_integrity_failures;
    log_.error(status.error().to_string());
  }
}

void EngineThread::Impl::end_all() {
  take_mail();  // what came after the mailbox was closed
  engine_->cancel_all();
  engine_->hand_over();
  publish();
}

void EngineThread::Impl::report_stuck(int64_t now_us) {
  const int64_t age_us = watch_->age_us(now_us);
  if (watch_->claim_report(now_us)) {
    ++metrics_.n_stuck_steps;
    log_.error(
        fmt::format("[engine] a step has been running for {} ms; expected at most a "
                    "fraction of that",
                    age_us / kMicrosPerMilli));
  }
}

bool EngineThread::Impl::is_stuck() {
  const int64_t now_us = monotonic_us();
  const bool stuck = watch_->is_stuck(now_us);
  if (stuck) {
    report_stuck(now_us);
  }
  return stuck;
}

EngineSnapshot EngineThread::Impl::snapshot() const {
  LiveTable::Queue queue = table_.queue(monotonic_us());
  const std::lock_guard lock(published_mutex_);
  EngineSnapshot snapshot = published_;
  snapshot.n_running = queue.n_running;
  snapshot.n_waiting = queue.n_waiting;
  snapshot.n_waiting_tokens = queue.n_waiting_tokens;
  snapshot.oldest_waiting_us = queue.oldest_us;
  snapshot.waiting_by_priority = std::move(queue.by_priority);
  return snapshot;
}

uint32_t EngineThread::Impl::retry_after_s() const {
  const int64_t now_us = monotonic_us();
  const uint32_t n_waiting = table_.queue(now_us).n_waiting;
  const std::lock_guard lock(published_mutex_);
  return drain_.retry_after_s(now_us, n_waiting);
}

// NOLINTNEXTLINE(readability-function-size): see the header.
Result<std::unique_ptr<EngineThread>> EngineThread::start(LoadedModel& loaded,
                                                          const EngineThreadConfig& config,
                                                          EngineMetrics& metrics, const Log& log) {
  QUERN_ASSIGN(std::unique_ptr<Engine> engine, Engine::create(loaded, config.engine));
  const uint32_t model_context = loaded.model().config().max_context;
  if (config.engine.max_context == 0 && engine->max_context() < model_context) {
    log.warn(fmt::format("the memory holds a context of {} tokens; the model's is {}",
                         engine->max_context(), model_context));
  }
  auto impl = std::make_unique<Impl>(loaded, std::move(engine),
                                     Impl::Outside{.metrics = metrics, .log = log});
  QUERN_TRY(impl->start(config));
  return std::unique_ptr<EngineThread>(new EngineThread(std::move(impl)));
}

EngineThread::EngineThread(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

EngineThread::~EngineThread() {
  impl_->stop();
}

uint32_t EngineThread::max_context() const {
  return impl_->engine().max_context();
}

EngineThread::QueueLimits EngineThread::queue_limits() const {
  const EngineConfig& config = impl_->engine().config();
  return {.n_requests = config.max_queue, .n_tokens = config.max_queue_tokens};
}

Result<SeqId> EngineThread::submit(Request request) {
  return impl_->submit(std::move(request));
}

void EngineThread::cancel(SeqId id) {
  impl_->mailbox().cancel(id);
}

std::vector<LiveRequest> EngineThread::live() const {
  return impl_->table().list(monotonic_us());
}

EngineSnapshot EngineThread::snapshot() const {
  return impl_->snapshot();
}

int64_t EngineThread::step_age_ms() const {
  return impl_->watch().age_us(monotonic_us()) / kMicrosPerMilli;
}

bool EngineThread::is_stuck() const {
  return impl_->is_stuck();
}

uint32_t EngineThread::retry_after_s() const {
  return impl_->retry_after_s();
}

}  // namespace quern
