// What stands before the steps: the pool, the checks of a request, the queue.
#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <random>

#include "base/system_info.h"
#include "engine/current_error.h"
#include "engine/kv_plan.h"
#include "engine/memory_need.h"

namespace quern {
namespace {

Error request_error(std::string what, std::string expected) {
  return {.kind = ErrorKind::invalid_input,
          .where = "request",
          .what = std::move(what),
          .expected = std::move(expected)};
}

uint64_t random_seed() {
  std::random_device device;
  return (uint64_t{device()} << 32U) | device();
}

FinishCause refusal_of(AddOutcome outcome) {
  switch (outcome) {
    case AddOutcome::queue_full:
      return FinishCause::queue_full;
    case AddOutcome::queue_tokens_full:
      return FinishCause::queue_tokens_full;
    default:
      return FinishCause::none;
  }
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(LoadedModel& loaded, const EngineConfig& config) {
  std::unique_ptr<Engine> engine(new Engine(loaded, config));
  QUERN_TRY(engine->make_pool());
  engine->n_words_ = loaded.tokenizer().vocab_size();
  engine->logits_.resize(loaded.model().config().vocab_size);
  engine->hidden_.resize(loaded.model().config().d_model);
  engine->scratch_ = std::make_unique<SamplerScratch>(engine->n_words_, engine->max_context_);
  return engine;
}

// Sizes the context and the pool, then everything that stands on them.
Status Engine::make_pool() {
  Model& model = loaded_.model();
  const ModelConfig& c = model.config();
  config_.max_seqs = std::min(config_.max_seqs, model.max_sequences());
  block_bytes_ = kv_block_bytes(c, config_.kv_dtype);
  QUERN_ASSIGN(const KvPlan plan, plan_kv({.max_context = config_.max_context,
                                           .kv_bytes = config_.kv_bytes,
                                           .max_seqs = config_.max_seqs},
                                          {.bytes_per_block = block_bytes_,
                                           .model_context = c.max_context,
                                           .available_bytes = available_memory_bytes()}));
  max_context_ = plan.max_context;
  QUERN_ASSIGN(kv_, model.make_kv(plan.n_blocks, config_.kv_dtype));
  pool_ = std::make_unique<BlockPool>(plan.n_blocks);
  cache_ =
      std::make_unique<PrefixCache>(*pool_, PrefixCacheConfig{.n_block_tokens = kKvBlockTokens,
                                                              .seed = random_seed(),
                                                              .enabled = config_.prefix_cache});
  QUERN_ASSIGN(Scheduler scheduler,
               Scheduler::create({.max_seqs = config_.max_seqs,
                                  .max_batch_tokens = model.max_rows(),
                                  .prefill_chunk = model.max_rows(),
                                  .max_context = max_context_,
                                  .max_queue = config_.max_queue,
                                  .max_queue_tokens = config_.max_queue_tokens},
                                 *pool_, *cache_));
  scheduler_ = std::make_unique<Scheduler>(std::move(scheduler));
  results_.reserve(config_.max_seqs);
  finished_.reserve(config_.max_seqs);
  failed_.reserve(config_.max_seqs);
  return {};
}

Status Engine::check_request(const Request& request) const {
  if (request.prompt.empty()) {
    return fail(request_error("the prompt is empty", "at least one token"));
  }
  if (request.on_hidden && request.max_tokens != 0) {
    return fail(request_error("hidden states of an answer were asked for", "max_tokens 0"));
  }
  const uint64_t room_for_answer = request.max_tokens == 0 ? 0 : 1;
  if (request.prompt.size() + room_for_answer > max_context_) {
    return fail(request_error(fmt::format("the prompt has {} tokens, the context holds {}",
                                          request.prompt.size(), max_context_),
                              "a shorter prompt, or a longer context (--ctx)"));
  }
  // Rows that pad the embedding beyond the vocabulary can be computed, but stand for no text.
  const uint32_t n_ids = request.max_tokens == 0 ? loaded_.model().config().vocab_size : n_words_;
  for (const TokenId token : request.prompt) {
    if (value(token) < 0 || static_cast<uint32_t>(value(token)) >= n_ids) {
      return fail(request_error(fmt::format("token id {}", value(token)),
                                fmt::format("ids from 0 to {}", n_ids - 1)));
    }
  }
  return {};
}

Result<EngineRequestPtr> Engine::prepare(Request request, const Arrival& arrival) const {
  QUERN_TRY(check_request(request));
  QUERN_ASSIGN(Sampler sampler,
               Sampler::create(request.sampling, {.vocab_size = n_words_,
                                                  .context_length = max_context_,
                                                  .choice_index = request.choice_index}));
  if (request.max_tokens > 0) {
    for (const TokenId token : request.prompt) {
      sampler.accept(token);
    }
  }
  const auto n_prompt = static_cast<uint32_t>(request.prompt.size());
  Sequence sequence;
  sequence.id = arrival.id;
  sequence.max_tokens = request.max_tokens;
  sequence.priority = request.priority;
  sequence.arrival_us = arrival.time_us;
  sequence.deadlines = request.deadlines;
  sequence.cache_salt = request.cache_salt;
  sequence.logit_rows = request.on_logits || request.on_hidden ? LogitRows::all : LogitRows::last;
  sequence.tokens = std::move(request.prompt);
  Detokenizer detokenizer(loaded_.tokenizer(), {.stop = request.stop,
                                                .skip_special = !request.keep_special,
                                                .min_tokens = request.sampling.min_tokens});
  return std::make_unique<EngineRequest>(EngineRequest{.id = arrival.id,
                                                       .request = std::move(request),
                                                       .sampler = std::move(sampler),
                                                       .detokenizer = std::move(detokenizer),
                                                       .sequence = std::move(sequence),
                                                       .n_prompt = n_prompt,
                                                       .arrival_us = arrival.time_us});
}

void Engine::enqueue(EngineRequestPtr prepared) {
  const uint64_t key = value(prepared->id);
  FinishCause cause = FinishCause::none;
  try {
    EngineRequestPtr& place = live_.try_emplace(key).first->second;
    if (fails_at(config_.fail_points, FailPoint::allocation)) {
      throw std::bad_alloc();
    }
    const AddOutcome outcome = scheduler_->add(std::move(prepared->sequence));
    if (outcome == AddOutcome::accepted) {
      place = std::move(prepared);
      return;
    }
    cause = refusal_of(outcome);
    if (cause == FinishCause::none) {
      prepared->set_error(request_error("the prompt does not fit", "a shorter one"));
    }
  } catch (...) {
    count_fault(FailPoint::allocation);  // nothing else here throws
    prepared->set_error(current_error("request"));
  }
  live_.erase(key);
  tell_refused(*prepared, cause);
}

Result<SeqId> Engine::submit(Request request) {
  const SeqId id{next_id_++};
  QUERN_ASSIGN(EngineRequestPtr prepared,
               prepare(std::move(request), {.id = id, .time_us = monotonic_us()}));
  enqueue(std::move(prepared));
  return id;
}

bool Engine::cancel(SeqId id) {
  return scheduler_->cancel(id, monotonic_us());
}

void Engine::cancel_all() {
  for (const auto& [id, live] : live_) {
    scheduler_->cancel(SeqId{id}, monotonic_us());
  }
}

StepDemand Engine::demand() const {
  constexpr int32_t kHigh = RankingConfig{}.high_priority;
  StepDemand demand;
  for (const auto list : {scheduler_->running(), scheduler_->waiting()}) {
    for (const SequencePtr& sequence : list) {
      const bool is_running = sequence->state == SequenceState::running;
      demand.n_decoding += is_running && sequence->is_decoding() ? 1 : 0;
      if (sequence->priority <= kHigh && sequence->n_generated() == 0) {
        demand.n_urgent_tokens += sequence->n_remaining();
      }
    }
  }
  return demand;
}

EngineStats Engine::stats() const {
  EngineStats stats = stats_;
  stats.n_preemptions = scheduler_->n_preemptions();
  stats.n_cache_query_tokens = cache_->n_query_tokens();
  stats.n_cache_hit_tokens = cache_->n_hit_tokens();
  stats.kv_blocks_used = pool_->n_used();
  stats.kv_blocks_free = pool_->n_free();
  stats.kv_blocks_cached = pool_->n_cached();
  stats.kv_blocks_ever_used = pool_->n_ever_used();
  stats.kv_blocks_total = pool_->n_blocks();
  stats.kv_block_bytes = block_bytes_;
  return stats;
}

}  // namespace quern
