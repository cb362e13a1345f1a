#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <new>
#include <random>

#include "base/system_info.h"
#include "kernels/kernel_table.h"
#include "sampling/usable_logits.h"

namespace quern {
namespace {

// Without a wish, the pool takes at most so much of the memory that is free.
constexpr uint64_t kPoolShare = 2;

uint64_t block_bytes(const ModelConfig& c, KvDType dtype) {
  return 2 * uint64_t{c.n_layers} * c.n_kv_heads * kv_head_bytes(dtype, c.head_dim);
}

Error request_error(std::string what, std::string expected) {
  return {.kind = ErrorKind::invalid_input,
          .where = "request",
          .what = std::move(what),
          .expected = std::move(expected)};
}

uint64_t random_seed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(LoadedModel& loaded, const EngineConfig& config) {
  std::unique_ptr<Engine> engine(new Engine(loaded, config));
  QUERN_TRY(engine->make_pool());
  engine->n_words_ = loaded.tokenizer().vocab_size();
  engine->logits_.resize(loaded.model().config().vocab_size);
  engine->scratch_ = std::make_unique<SamplerScratch>(engine->n_words_, engine->max_context_);
  return engine;
}

// Sizes the context and the pool, then everything that stands on them.
Status Engine::make_pool() {
  Model& model = loaded_.model();
  const ModelConfig& c = model.config();
  const uint64_t bytes_per_block = block_bytes(c, config_.kv_dtype);
  const uint64_t budget =
      config_.kv_bytes != 0 ? config_.kv_bytes : available_memory_bytes() / kPoolShare;
  const uint64_t most_blocks = std::min<uint64_t>(budget / bytes_per_block, INT32_MAX);
  const uint64_t wanted = config_.max_context != 0 ? config_.max_context : c.max_context;
  const uint64_t wanted_blocks = n_kv_blocks(wanted) + 1;  // one to spare for a block being filled
  if (most_blocks < 2 || (config_.max_context != 0 && most_blocks < wanted_blocks)) {
    return fail({.kind = ErrorKind::out_of_memory,
                 .where = "engine",
                 .what = fmt::format("a context of {} tokens takes {} MB, {} MB are free for it",
                                     wanted, wanted_blocks * bytes_per_block >> 20, budget >> 20),
                 .expected = "a shorter context (--ctx)"});
  }
  const uint64_t n_blocks =
      config_.kv_bytes != 0 ? most_blocks : std::min(most_blocks, wanted_blocks);
  max_context_ = static_cast<uint32_t>(std::min(wanted, (n_blocks - 1) * kKvBlockTokens));
  QUERN_ASSIGN(kv_, model.make_kv(static_cast<uint32_t>(n_blocks), config_.kv_dtype));
  pool_ = std::make_unique<BlockPool>(static_cast<uint32_t>(n_blocks));
  cache_ =
      std::make_unique<PrefixCache>(*pool_, PrefixCacheConfig{.n_block_tokens = kKvBlockTokens,
                                                              .seed = random_seed(),
                                                              .enabled = config_.prefix_cache});
  SchedulerConfig config;
  config.max_seqs = std::min(config_.max_seqs, model.max_sequences());
  config.max_batch_tokens = model.max_rows();
  config.prefill_chunk = model.max_rows();
  config.max_context = max_context_;
  QUERN_ASSIGN(Scheduler scheduler, Scheduler::create(config, *pool_, *cache_));
  scheduler_ = std::make_unique<Scheduler>(std::move(scheduler));
  return {};
}

Status Engine::check_request(const Request& request) const {
  if (request.prompt.empty()) {
    return fail(request_error("the prompt is empty", "at least one token"));
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

Result<SeqId> Engine::submit(Request request) {
  QUERN_TRY(check_request(request));
  const SeqId id{next_id_++};
  const size_t n_prompt = request.prompt.size();
  try {
    return add(id, std::move(request));
  } catch (const std::bad_alloc&) {
    live_.erase(value(id));
    count_fault(FailPoint::allocation);
    return fail({.kind = ErrorKind::out_of_memory,
                 .where = "engine",
                 .what = fmt::format("no memory for a request of {} tokens", n_prompt),
                 .expected = "a retry when other requests have ended"});
  }
}

// Throws bad_alloc, before the scheduler has the sequence or not at all.
Result<SeqId> Engine::add(SeqId id, Request request) {
  QUERN_ASSIGN(Sampler sampler,
               Sampler::create(request.sampling, {.vocab_size = n_words_,
                                                  .context_length = max_context_,
                                                  .choice_index = request.choice_index}));
  if (request.max_tokens > 0) {
    for (const TokenId token : request.prompt) {
      sampler.accept(token);
    }
  }
  Sequence sequence;
  sequence.id = id;
  sequence.tokens = request.prompt;
  sequence.max_tokens = request.max_tokens;
  sequence.priority = request.priority;
  sequence.arrival_us = monotonic_us();
  sequence.deadlines = request.deadlines;
  sequence.cache_salt = request.cache_salt;
  sequence.logit_rows = request.on_logits ? LogitRows::all : LogitRows::last;
  Detokenizer detokenizer(loaded_.tokenizer(), {.stop = request.stop});
  live_.emplace(value(id), std::make_unique<Live>(Live{.request = std::move(request),
                                                       .sampler = std::move(sampler),
                                                       .detokenizer = std::move(detokenizer),
                                                       .error = {},
                                                       .error_kind = ErrorKind::device}));
  if (fails_at(config_.fail_points, FailPoint::allocation)) {
    throw std::bad_alloc();
  }
  if (scheduler_->add(std::move(sequence)) != AddOutcome::accepted) {
    live_.erase(value(id));
    return fail(request_error("the queue is full", "a retry when other requests have ended"));
  }
  return id;
}

bool Engine::step() {
  const bool has_batch = scheduler_->schedule(monotonic_us(), batch_);
  if (has_batch) {
    if (const Status status = forward()) {
      sample_batch();
    } else {
      fail_batch(status.error());
    }
    scheduler_->commit(results_, monotonic_us());
    ++stats_.n_steps;
  }
  hand_over_finished();
  return has_batch;
}

Status Engine::forward() {
  block_at(config_.fail_points, FailPoint::stuck_step);
  if (fails_at(config_.fail_points, FailPoint::kernel_result)) {
    return fail({.kind = ErrorKind::device,
                 .where = "engine",
                 .what = "the device failed in a step (fail point kernel_result)",
                 .expected = "a retry"});
  }
  return loaded_.model().forward(batch_, *kv_);
}

// The device's memory is in doubt for all rows of the step: nobody in it goes on.
void Engine::fail_batch(const Error& error) {
  count_fault(FailPoint::kernel_result);
  results_.clear();
  for (const BatchSequence& rows : batch_.sequences) {
    Live& live = *live_.at(value(rows.seq));
    live.error = error.to_string();
    live.error_kind = error.kind;
    results_.push_back({.seq = rows.seq, .token = kNoToken, .finish = FinishReason::error});
  }
}

void Engine::sample_batch() {
  results_.clear();
  uint32_t logit_index = 0;
  for (const BatchSequence& rows : batch_.sequences) {
    sample_sequence(rows, logit_index);
    while (logit_index < batch_.logit_rows.size() &&
           batch_.logit_rows[logit_index] < rows.first_row + rows.n_rows) {
      ++logit_index;
    }
  }
}

// Draws a sequence's next token if its last row's logits were computed.
void Engine::sample_sequence(const BatchSequence& rows, uint32_t logit_index) {
  Live& live = *live_.at(value(rows.seq));
  const Sequence& sequence = *scheduler_->find(rows.seq);
  stats_.n_prompt_tokens += sequence.is_decoding() && sequence.n_generated() > 0 ? 0 : rows.n_rows;
  const uint32_t end = rows.first_row + rows.n_rows;
  for (; logit_index < batch_.logit_rows.size() && batch_.logit_rows[logit_index] < end;
       ++logit_index) {
    loaded_.model().logits(logit_index, logits_);
    if (live.request.on_logits) {
      live.request.on_logits(rows.position + batch_.logit_rows[logit_index] - rows.first_row,
                             logits_);
    }
  }
  const bool is_complete = rows.position + rows.n_rows == sequence.n_tokens();
  if (!is_complete || sequence.max_tokens == 0) {
    return;
  }
  if (fails_at(config_.fail_points, FailPoint::nan_logits)) {
    std::ranges::fill(logits_, std::numeric_limits<float>::quiet_NaN());
  }
  StepResult result{.seq = rows.seq, .token = kNoToken, .finish = {}};
  const auto sample =
      live.sampler.sample({.logits = std::span<const float>(logits_).first(n_words_),
                           .token_index = sequence.n_generated()},
                          *scratch_);
  if (sample) {
    emit(live, *sample, result);
    ++stats_.n_generated_tokens;
  } else {
    if (!are_usable(std::span<const float>(logits_).first(n_words_))) {
      count_fault(FailPoint::nan_logits);
    }
    live.error = sample.error().to_string();
    live.error_kind = sample.error().kind;
    result.finish = FinishReason::error;
  }
  results_.push_back(result);
}

// Tells the caller of a token, and the scheduler whether it ends the answer.
void Engine::emit(Live& live, const SampleResult& sample, StepResult& result) {
  result.token = sample.token;
  live.sampler.accept(sample.token);
  TokenEvent event{
      .id = result.seq, .token = sample.token, .text = {}, .sample = &sample, .error = {}};
  Detokenizer::Chunk chunk;
  if (loaded_.tokenizer().is_end_of_generation(sample.token)) {
    result.finish = FinishReason::stop;
  } else {
    chunk = live.detokenizer.push(sample.token);
    if (chunk.stop) {
      result.finish = FinishReason::stop;
    }
  }
  event.text = chunk.text;
  if (live.request.on_event) {
    live.request.on_event(event);
  }
}

void Engine::hand_over_finished() {
  scheduler_->take_finished(finished_);
  for (const SequencePtr& sequence : finished_) {
    const auto found = live_.find(value(sequence->id));
    Live& live = *found->second;
    const std::string rest =
        live.detokenizer.stopped() ? std::string() : live.detokenizer.flush().text;
    if (live.request.on_event) {
      live.request.on_event({.id = sequence->id,
                             .token = kNoToken,
                             .text = rest,
                             .finish = sequence->finish_reason,
                             .cause = sequence->finish_cause,
                             .error = live.error,
                             .error_kind = live.error_kind,
                             .usage = {.prompt_tokens = sequence->n_prompt,
                                       .cached_tokens = sequence->n_cached_tokens,
                                       .completion_tokens = sequence->n_generated(),
                                       .arrival_us = sequence->arrival_us,
                                       .first_token_us = sequence->first_token_us,
                                       .finished_us = sequence->finished_us}});
    }
    live_.erase(found);
  }
  finished_.clear();
}

bool Engine::cancel(SeqId id) {
  return scheduler_->cancel(id, monotonic_us());
}

EngineStats Engine::stats() const {
  EngineStats stats = stats_;
  stats.n_preemptions = scheduler_->n_preemptions();
  stats.n_cache_query_tokens = cache_->n_query_tokens();
  stats.n_cache_hit_tokens = cache_->n_hit_tokens();
  stats.kv_blocks_used = pool_->n_used();
  stats.kv_blocks_total = pool_->n_blocks();
  return stats;
}

}  // namespace quern
