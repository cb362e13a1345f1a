// Who runs: admission in rank order, and making room by preemption.
#include <algorithm>

#include "base/check.h"
#include "scheduler/scheduler.h"

namespace quern {

namespace {

bool ptr_ranks_before(const SequencePtr& a, const SequencePtr& b) {
  return ranks_before(*a, *b);
}

}  // namespace

void Scheduler::update_ranks(int64_t now_us) {
  for (auto* const list : {&running_, &waiting_}) {
    for (const SequencePtr& sequence : *list) {
      sequence->effective_priority = effective_priority(*sequence, config_.ranking, now_us);
    }
  }
  if (!std::ranges::is_sorted(running_, ptr_ranks_before)) {
    std::ranges::sort(running_, ptr_ranks_before);
  }
}

void Scheduler::admit(int64_t now_us) {
  while (!waiting_.empty()) {
    const size_t index = first_in_line();
    if (!make_room(*waiting_[index])) {
      return;
    }
    start(index, now_us);
  }
}

size_t Scheduler::first_in_line() const {
  const auto first = std::ranges::min_element(waiting_, ptr_ranks_before);
  return static_cast<size_t>(first - waiting_.begin());
}

// Blocks that starting it takes out of the available ones: new ones, and cached ones nobody uses.
uint32_t Scheduler::n_blocks_needed(Sequence& sequence) const {
  const uint32_t n_total = n_kv_blocks(sequence.n_tokens());
  if (sequence.logit_rows == LogitRows::all) {
    return n_total;
  }
  const PrefixMatch match = cache_->match(sequence.tokens, sequence.table);
  return n_total - match.n_blocks + match.n_idle_blocks;
}

bool Scheduler::fits(Sequence& sequence) const {
  const uint64_t n_headroom = running_.size();
  return running_.size() < config_.max_seqs &&
         n_blocks_needed(sequence) + n_headroom <= pool_->n_available();
}

// Preempts from the back of the ranks until the sequence fits. Preempting does not reorder the
// line: a victim ranks behind the newcomer.
bool Scheduler::make_room(Sequence& sequence) {
  if (fits(sequence)) {
    return true;
  }
  if (!could_make_room(sequence)) {
    return false;
  }
  while (!running_.empty() && may_displace(sequence, *running_.back())) {
    preempt_last();
    if (fits(sequence)) {
      return true;
    }
  }
  return false;
}

// Whether preempting every sequence that may be displaced would be enough. Blocks that victims
// share are counted for each: an upper bound, so that a preemption in vain is rare, not impossible.
bool Scheduler::could_make_room(Sequence& sequence) const {
  uint64_t n_available = pool_->n_available();
  size_t n_staying = running_.size();
  for (; n_staying > 0 && may_displace(sequence, *running_[n_staying - 1]); --n_staying) {
    n_available += running_[n_staying - 1]->table.n_blocks();
  }
  return n_staying < config_.max_seqs && n_staying < running_.size() &&
         n_blocks_needed(sequence) + n_staying <= n_available;
}

void Scheduler::start(size_t waiting_index, int64_t now_us) {
  SequencePtr started = std::move(waiting_[waiting_index]);
  waiting_[waiting_index] = std::move(waiting_.back());
  waiting_.pop_back();

  Sequence& sequence = *started;
  n_waiting_tokens_ -= sequence.n_tokens();
  sequence.state = SequenceState::running;
  if (!sequence.was_started()) {
    sequence.started_us = now_us;
    cache_->count_query(sequence.n_tokens());
  }
  attach_cached(sequence);
  const bool has_blocks = grow(sequence);
  QUERN_CHECK(has_blocks);
  const auto place = std::ranges::upper_bound(running_, started, ptr_ranks_before);
  running_.insert(place, std::move(started));
}

void Scheduler::preempt_last() {
  SequencePtr victim = std::move(running_.back());
  running_.pop_back();
  release_blocks(*pool_, victim->table);
  victim->n_computed = 0;
  ++victim->n_preemptions;
  ++n_preemptions_;
  victim->state = SequenceState::waiting;
  n_waiting_tokens_ += victim->n_tokens();
  waiting_.push_back(std::move(victim));
}

}  // namespace quern
