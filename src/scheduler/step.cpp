// What a step computes: rows in rank order, the batch, and what its results change.
#include <algorithm>

#include "base/check.h"
#include "scheduler/scheduler.h"

namespace quern {

bool Scheduler::schedule(int64_t now_us, Batch& out) {
  QUERN_CHECK(plan_.empty());
  expire(now_us);
  update_ranks(now_us);
  admit(now_us);
  plan_decodes();
  plan_prefills();
  fill(out);
  return !plan_.empty();
}

// In rank order, and victims come from the back: none of them has its row yet.
void Scheduler::plan_decodes() {
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence& sequence = *running_[i];
    if (!sequence.is_decoding()) {
      continue;
    }
    bool has_block = grow(sequence);
    while (!has_block && running_.back().get() != &sequence) {
      preempt_last();
      has_block = grow(sequence);
    }
    if (!has_block) {
      preempt_last();
      return;
    }
    plan_.push_back({.sequence = &sequence, .id = sequence.id, .n_rows = 1});
  }
}

// Gives the sequence blocks for all its tokens; false when the pool is empty before that.
bool Scheduler::grow(Sequence& sequence) {
  const uint32_t n_needed = n_kv_blocks(sequence.n_tokens());
  while (sequence.table.n_blocks() < n_needed) {
    const BlockId id = pool_->allocate();
    if (id == kNoBlock) {
      return false;
    }
    sequence.table.blocks.push_back(id);
  }
  return true;
}

void Scheduler::plan_prefills() {
  const auto n_decodes = static_cast<uint32_t>(plan_.size());
  uint32_t budget = std::min(config_.prefill_chunk, config_.max_batch_tokens - n_decodes);
  for (const SequencePtr& ptr : running_) {
    Sequence& sequence = *ptr;
    if (budget == 0) {
      return;
    }
    if (sequence.is_decoding()) {
      continue;
    }
    attach_cached(sequence);
    if (repeats_planned_work(sequence)) {
      continue;
    }
    const uint32_t n_rows = chunk_rows(sequence, budget);
    plan_.push_back({.sequence = &sequence, .id = sequence.id, .n_rows = n_rows});
    budget -= n_rows;
  }
}

// A chunk that does not reach the end stops at the end of a block if it can: full blocks are what
// others can share, and what this sequence can take from others in the next step.
uint32_t Scheduler::chunk_rows(const Sequence& sequence, uint32_t budget) const {
  if (sequence.n_remaining() <= budget) {
    return sequence.n_remaining();
  }
  const uint32_t end = sequence.n_computed + budget;
  const uint32_t aligned_end = end - end % kKvBlockTokens;
  return aligned_end > sequence.n_computed ? aligned_end - sequence.n_computed : budget;
}

// Skips what others have computed, at the start and also later: sequences with a common prefix that
// arrived together catch up with the first of them.
void Scheduler::attach_cached(Sequence& sequence) {
  if (sequence.logit_rows == LogitRows::all || sequence.n_computed % kKvBlockTokens != 0) {
    return;
  }
  const uint32_t first = sequence.n_computed / kKvBlockTokens;
  const uint32_t n_tokens = cache_->attach(sequence.tokens, sequence.table, first) * kKvBlockTokens;
  sequence.n_computed += n_tokens;
  if (sequence.n_preemptions == 0) {
    // After a preemption it mostly finds its own blocks, which saved nobody anything.
    sequence.n_cached_tokens += n_tokens;
    cache_->count_hit(n_tokens);
  }
}

// Whether another sequence computes this one's next block in this very step: waiting for it to be
// found in the cache costs one step, computing it twice costs the same rows again.
bool Scheduler::repeats_planned_work(Sequence& sequence) const {
  const uint32_t next = sequence.n_computed / kKvBlockTokens;
  if (sequence.logit_rows == LogitRows::all || sequence.n_computed % kKvBlockTokens != 0 ||
      next >= cache_->n_reusable_blocks(sequence.tokens)) {
    return false;
  }
  const BlockHash hash = cache_->hash_at(sequence.tokens, sequence.table, next);
  return std::ranges::any_of(plan_, [&](const PlannedRows& rows) {
    Sequence& other = *rows.sequence;
    const uint32_t n_full_after = (other.n_computed + rows.n_rows) / kKvBlockTokens;
    const bool fills_next = other.n_computed / kKvBlockTokens <= next && next < n_full_after;
    return fills_next && cache_->hash_at(other.tokens, other.table, next) == hash;
  });
}

void Scheduler::fill(Batch& out) const {
  out.clear();
  out.tokens.reserve(config_.max_batch_tokens);
  out.positions.reserve(config_.max_batch_tokens);
  out.sequences.reserve(config_.max_seqs);
  out.logit_rows.reserve(config_.max_batch_tokens);
  for (const PlannedRows& rows : plan_) {
    append_rows(rows, out);
  }
}

void Scheduler::append_rows(const PlannedRows& rows, Batch& out) const {
  const Sequence& sequence = *rows.sequence;
  const uint32_t begin = sequence.n_computed;
  const uint32_t end = begin + rows.n_rows;
  const uint32_t n_blocks = n_kv_blocks(end);
  out.sequences.push_back({.seq = sequence.id,
                           .first_row = out.n_rows(),
                           .n_rows = rows.n_rows,
                           .position = begin,
                           .first_block = static_cast<uint32_t>(out.blocks.size()),
                           .n_blocks = n_blocks});
  const auto& blocks = sequence.table.blocks;
  out.blocks.insert(out.blocks.end(), blocks.begin(), blocks.begin() + n_blocks);
  for (uint32_t position = begin; position < end; ++position) {
    if (sequence.logit_rows == LogitRows::all || position + 1 == sequence.n_tokens()) {
      out.logit_rows.push_back(out.n_rows());
    }
    out.tokens.push_back(sequence.tokens[position]);
    out.positions.push_back(static_cast<int32_t>(position));
  }
}

void Scheduler::commit(std::span<const StepResult> results, int64_t now_us) {
  auto next = results.begin();
  for (const PlannedRows& rows : plan_) {
    const StepResult* result = nullptr;
    if (next != results.end() && next->seq == rows.id) {
      result = &*next++;
    }
    if (rows.sequence != nullptr) {
      commit_rows(rows, result, now_us);
    }
  }
  QUERN_CHECK(next == results.end());
  plan_.clear();
  collect_finished();
}

void Scheduler::commit_rows(const PlannedRows& rows, const StepResult* result, int64_t now_us) {
  Sequence& sequence = *rows.sequence;
  if (result != nullptr && result->finish == FinishReason::error) {
    end(sequence, FinishReason::error, now_us);
    return;
  }
  const uint32_t begin = sequence.n_computed;
  sequence.n_computed += rows.n_rows;
  cache_->publish(sequence.tokens, sequence.table, {.begin = begin, .end = sequence.n_computed});

  const bool wants_token = sequence.n_remaining() == 0;
  const bool has_token = result != nullptr && result->token != kNoToken;
  QUERN_CHECK(wants_token || !has_token);
  if (has_token) {
    sequence.tokens.push_back(result->token);
    if (sequence.first_token_us == kNever) {
      sequence.first_token_us = now_us;
    }
  }
  if (result != nullptr && result->finish) {
    end(sequence, *result->finish, now_us);
  } else if (wants_token && (sequence.n_generated() >= sequence.max_tokens ||
                             sequence.n_tokens() >= sequence.max_context)) {
    end(sequence, FinishReason::length, now_us);
  } else {
    QUERN_CHECK(has_token == wants_token);
  }
}

}  // namespace quern
