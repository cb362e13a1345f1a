// The queue's bounds, the ways in which sequences end, and the accounts.
#include "scheduler/scheduler.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace quern {

namespace {

Status check_config(const SchedulerConfig& config, const BlockPool& pool) {
  const auto refuse = [](std::string what, std::string expected) {
    return fail({.kind = ErrorKind::invalid_input,
                 .where = "scheduler",
                 .what = std::move(what),
                 .expected = std::move(expected)});
  };
  if (config.max_seqs == 0 || config.prefill_chunk == 0 || config.max_queue == 0) {
    return refuse("max_seqs, prefill_chunk or max_queue is 0", "at least 1");
  }
  if (config.max_batch_tokens < config.max_seqs) {
    return refuse(fmt::format("max_batch_tokens is {}", config.max_batch_tokens),
                  fmt::format("at least max_seqs, {}", config.max_seqs));
  }
  if (config.max_context == 0 || n_kv_blocks(config.max_context) > pool.n_blocks()) {
    return refuse(fmt::format("a context of {} tokens needs {} KV blocks, the pool has {}",
                              config.max_context, n_kv_blocks(config.max_context), pool.n_blocks()),
                  "a smaller --ctx or a larger --kv-bytes");
  }
  return {};
}

}  // namespace

Result<Scheduler> Scheduler::create(const SchedulerConfig& config, BlockPool& pool,
                                    PrefixCache& cache) {
  QUERN_CHECK(cache.n_block_tokens() == kKvBlockTokens);
  QUERN_TRY(check_config(config, pool));
  return Scheduler(config, pool, cache);
}

Scheduler::Scheduler(const SchedulerConfig& config, BlockPool& pool, PrefixCache& cache)
    : config_(config), pool_(&pool), cache_(&cache), n_refs_scratch_(pool.n_blocks()) {
  // Preempted sequences wait again, whatever the queue's bound.
  waiting_.reserve(size_t{config.max_queue} + config.max_seqs);
  running_.reserve(config.max_seqs);
  finished_.reserve(config.max_seqs);
  plan_.reserve(config.max_seqs);
}

AddOutcome Scheduler::add(Sequence sequence) {
  QUERN_CHECK(find(sequence.id) == nullptr);
  const uint32_t limit = config_.max_context;
  sequence.max_context = sequence.max_context == 0 ? limit : std::min(sequence.max_context, limit);
  if (sequence.tokens.empty()) {
    return AddOutcome::empty_prompt;
  }
  if (sequence.tokens.size() + std::min(sequence.max_tokens, 1U) > sequence.max_context) {
    return AddOutcome::too_long;
  }
  const AddOutcome outcome = make_queue_room(sequence);
  if (outcome == AddOutcome::accepted) {
    prepare(sequence);
    // Nothing has changed yet if memory ends here.
    waiting_.push_back(std::make_unique<Sequence>(std::move(sequence)));
    n_waiting_tokens_ += waiting_.back()->n_tokens();
  }
  return outcome;
}

// Reserves all that the sequence can grow to, so that no step allocates.
void Scheduler::prepare(Sequence& sequence) const {
  sequence.n_prompt = sequence.n_tokens();
  const uint64_t n_most =
      std::min<uint64_t>(uint64_t{sequence.n_prompt} + sequence.max_tokens, sequence.max_context);
  sequence.tokens.reserve(n_most);
  sequence.table.blocks.reserve(n_kv_blocks(n_most));
  sequence.table.hashes.reserve(n_kv_blocks(n_most));
  sequence.table.root = cache_->root(sequence.cache_salt);
}

// A request larger than the bound is accepted by an empty queue: it could never start otherwise.
bool Scheduler::exceeds_queue_tokens(uint64_t n_tokens) const {
  return !waiting_.empty() && n_waiting_tokens_ + n_tokens > config_.max_queue_tokens;
}

AddOutcome Scheduler::make_queue_room(const Sequence& arrival) {
  const auto is_full = [&] {
    return waiting_.size() >= config_.max_queue || exceeds_queue_tokens(arrival.tokens.size());
  };
  if (!is_full()) {
    return AddOutcome::accepted;
  }
  size_t n_displaceable = 0;
  uint64_t n_displaceable_tokens = 0;
  for (const SequencePtr& other : waiting_) {
    if (!other->was_started() && other->priority > arrival.priority) {
      ++n_displaceable;
      n_displaceable_tokens += other->n_tokens();
    }
  }
  // Nobody is displaced unless that lets the arrival in.
  if (waiting_.size() - n_displaceable >= config_.max_queue) {
    return AddOutcome::queue_full;
  }
  const uint64_t n_staying_tokens = n_waiting_tokens_ - n_displaceable_tokens;
  const bool all_go = n_displaceable == waiting_.size();
  if (!all_go && n_staying_tokens + arrival.tokens.size() > config_.max_queue_tokens) {
    return AddOutcome::queue_tokens_full;
  }
  while (is_full()) {
    Sequence* const victim = newest_of_least_important(arrival.priority);
    victim->finish_cause = FinishCause::displaced;
    end(*victim, FinishReason::error, arrival.arrival_us);
    collect_finished();
  }
  return AddOutcome::accepted;
}

Sequence* Scheduler::newest_of_least_important(int32_t than_priority) {
  Sequence* found = nullptr;
  for (const SequencePtr& other : waiting_) {
    if (other->was_started() || other->priority <= than_priority) {
      continue;
    }
    const auto key = [](const Sequence& s) { return std::tuple(s.priority, s.arrival_us, s.id); };
    if (found == nullptr || key(*other) > key(*found)) {
      found = other.get();
    }
  }
  return found;
}

Sequence* Scheduler::lookup(SeqId id) const {
  for (const auto* const list : {&running_, &waiting_}) {
    const auto it = std::ranges::find(*list, id, [](const SequencePtr& s) { return s->id; });
    if (it != list->end()) {
      return it->get();
    }
  }
  return nullptr;
}

bool Scheduler::finish(SeqId id, FinishReason reason, int64_t now_us) {
  Sequence* const sequence = lookup(id);
  if (sequence == nullptr) {
    return false;
  }
  end(*sequence, reason, now_us);
  collect_finished();
  return true;
}

FinishCause Scheduler::missed_deadline(const Sequence& sequence, int64_t now_us) const {
  const Deadlines& deadlines = sequence.deadlines;
  if (!sequence.was_started() && now_us >= deadlines.queue_us) {
    return FinishCause::queue_timeout;
  }
  if (sequence.n_generated() == 0 && now_us >= deadlines.first_token_us) {
    return FinishCause::first_token_timeout;
  }
  return now_us >= deadlines.total_us ? FinishCause::total_timeout : FinishCause::none;
}

// Marks the end; collect_finished() then moves the sequence.
bool Scheduler::end_if_late(Sequence& sequence, int64_t now_us) {
  const FinishCause cause = missed_deadline(sequence, now_us);
  if (cause == FinishCause::none) {
    return false;
  }
  sequence.finish_cause = cause;
  end(sequence, FinishReason::timeout, now_us);
  return true;
}

void Scheduler::expire(int64_t now_us) {
  for (const auto* const list : {&running_, &waiting_}) {
    for (const SequencePtr& sequence : *list) {
      end_if_late(*sequence, now_us);
    }
  }
  collect_finished();
}

bool Scheduler::expire(SeqId id, int64_t now_us) {
  Sequence* const sequence = lookup(id);
  if (sequence == nullptr || !end_if_late(*sequence, now_us)) {
    return false;
  }
  collect_finished();
  return true;
}

// Marks the end and gives everything back; collect_finished() then moves the sequence.
void Scheduler::end(Sequence& sequence, FinishReason reason, int64_t now_us) {
  if (sequence.state == SequenceState::waiting) {
    n_waiting_tokens_ -= sequence.n_tokens();
  }
  for (PlannedRows& rows : plan_) {
    if (rows.sequence == &sequence) {
      rows.sequence = nullptr;
    }
  }
  if (reason == FinishReason::error) {
    cache_->forget(sequence.table);
  }
  release_blocks(*pool_, sequence.table);
  sequence.state = SequenceState::finished;
  sequence.finish_reason = reason;
  sequence.finished_us = now_us;
}

void Scheduler::collect_finished() {
  for (auto* const list : {&running_, &waiting_}) {
    for (SequencePtr& sequence : *list) {
      if (sequence->state == SequenceState::finished) {
        finished_.push_back(std::move(sequence));
      }
    }
    std::erase(*list, nullptr);
  }
}

void Scheduler::take_finished(std::vector<SequencePtr>& out) {
  out.clear();
  out.swap(finished_);
}

void Scheduler::set_prefill_chunk(uint32_t n_tokens) {
  config_.prefill_chunk = std::max(n_tokens, 1U);
}

Status Scheduler::check() const {
  QUERN_TRY(pool_->check());
  QUERN_TRY(cache_->check());
  return check_references();
}

Status Scheduler::check_references() const {
  std::ranges::fill(n_refs_scratch_, 0U);
  for (const SequencePtr& sequence : running_) {
    for (const BlockId id : sequence->table.blocks) {
      ++n_refs_scratch_[static_cast<size_t>(value(id))];
    }
  }
  for (uint32_t i = 0; i < pool_->n_blocks(); ++i) {
    const uint32_t n_refs = pool_->n_refs(BlockId{static_cast<int32_t>(i)});
    if (n_refs != n_refs_scratch_[i]) {
      return fail({.kind = ErrorKind::device,
                   .where = "scheduler",
                   .what = fmt::format("block {} has {} references, {} tables hold it", i, n_refs,
                                       n_refs_scratch_[i]),
                   .expected = "as many of one as of the other; this is a bug"});
    }
  }
  return {};
}

}  // namespace quern
