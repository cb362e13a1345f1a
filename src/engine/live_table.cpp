#include "engine/live_table.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "scheduler/ranking.h"

namespace quern {

void LiveTable::add(LiveRequest request) {
  const std::lock_guard lock(mutex_);
  const uint64_t key = value(request.id);
  entries_[key].request = std::move(request);
}

bool LiveTable::remove(SeqId id) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(value(id));
  if (found == entries_.end()) {
    return false;
  }
  const bool never_ran = found->second.seen == 0;
  entries_.erase(found);
  return never_ran;
}

uint32_t LiveTable::update(std::span<const SequencePtr> running) {
  const std::lock_guard lock(mutex_);
  ++n_updates_;
  uint32_t n_new = 0;
  for (const SequencePtr& sequence : running) {
    const auto found = entries_.find(value(sequence->id));
    if (found == entries_.end()) {
      continue;
    }
    Entry& entry = found->second;
    n_new += entry.seen == 0 ? 1 : 0;
    entry.seen = n_updates_;
    const bool decodes = sequence->is_decoding() && sequence->n_generated() > 0;
    entry.request.state = decodes ? LiveRequest::State::decode : LiveRequest::State::prefill;
    entry.request.completion_tokens = sequence->n_generated();
  }
  return n_new;
}

std::vector<LiveRequest> LiveTable::copy() const {
  const std::lock_guard lock(mutex_);
  std::vector<LiveRequest> all;
  all.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) {
    all.push_back(entry.request);
    if (entry.seen != n_updates_ || n_updates_ == 0) {
      all.back().state = LiveRequest::State::queued;
    }
  }
  return all;
}

std::vector<LiveRequest> LiveTable::list(int64_t now_us) const {
  std::vector<LiveRequest> all = copy();
  const auto rank = [now_us](const LiveRequest& request) {
    Sequence sequence;
    sequence.priority = request.priority;
    sequence.arrival_us = request.arrival_us;
    return std::tuple(request.state == LiveRequest::State::queued,
                      effective_priority(sequence, RankingConfig{}, now_us), request.arrival_us,
                      request.id);
  };
  std::ranges::sort(all, {}, rank);
  uint32_t position = 0;
  for (LiveRequest& request : all) {
    if (request.state == LiveRequest::State::queued) {
      request.position = position++;
    }
  }
  return all;
}

LiveTable::Queue LiveTable::queue(int64_t now_us) const {
  Queue queue;
  std::map<int32_t, uint32_t> by_priority;
  for (const LiveRequest& request : copy()) {
    if (request.state != LiveRequest::State::queued) {
      ++queue.n_running;
      continue;
    }
    ++queue.n_waiting;
    queue.n_waiting_tokens += uint64_t{request.prompt_tokens} + request.completion_tokens;
    queue.oldest_us = std::max(queue.oldest_us, now_us - request.arrival_us);
    ++by_priority[request.priority];
  }
  queue.by_priority.assign(by_priority.begin(), by_priority.end());
  return queue;
}

}  // namespace quern
