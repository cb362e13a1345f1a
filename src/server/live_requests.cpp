#include "server/live_requests.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

namespace quern::server {
namespace {

using Row = LiveRequests::Row;
using LiveById = std::map<uint64_t, LiveRequest>;

uint32_t n_ended_tokens(const LiveRequests::Entry& entry, SeqId id) {
  return entry.n_tokens_of_ended ? entry.n_tokens_of_ended(id) : 0;
}

// Adds what the engine knows of the entry's sequences.
void merge(const LiveRequests::Entry& entry, const LiveById& live, Row& row) {
  uint32_t position = std::numeric_limits<uint32_t>::max();
  bool found = false;
  if (entry.sequences == nullptr) {
    return;
  }
  for (const SeqId id : *entry.sequences) {
    const auto at = live.find(value(id));
    if (at == live.end()) {
      row.n_completion_tokens += n_ended_tokens(entry, id);
      continue;
    }
    found = true;
    row.state = std::max(row.state, at->second.state);
    position = std::min(position, at->second.position);
    row.n_completion_tokens += at->second.completion_tokens;
  }
  row.position = found ? position : 0;
  if (!found && !entry.sequences->empty()) {
    row.state = LiveRequest::State::decode;  // all computed; a slow reader still takes it
  }
}

}  // namespace

LiveRequests::Ticket::Ticket(Ticket&& other) noexcept
    : registry_(std::exchange(other.registry_, nullptr)), at_(other.at_) {}

LiveRequests::Ticket& LiveRequests::Ticket::operator=(Ticket&& other) noexcept {
  if (this != &other) {
    release();
    registry_ = std::exchange(other.registry_, nullptr);
    at_ = other.at_;
  }
  return *this;
}

LiveRequests::Ticket::~Ticket() {
  release();
}

void LiveRequests::Ticket::release() {
  if (registry_ != nullptr) {
    registry_->entries_.erase(at_);
    registry_ = nullptr;
  }
}

LiveRequests::Ticket LiveRequests::add(Entry entry) {
  entries_.push_back(std::move(entry));
  return Ticket(*this, std::prev(entries_.end()));
}

uint32_t LiveRequests::n_of(std::string_view model) const {
  return static_cast<uint32_t>(std::ranges::count(entries_, model, &Entry::model));
}

std::vector<Row> LiveRequests::list(std::string_view key_salt, int64_t now_us) const {
  std::map<const EngineThread*, LiveById> engines;
  std::vector<Row> rows;
  for (const Entry& entry : entries_) {
    if (entry.key_salt != key_salt) {
      continue;
    }
    Row row{.request_id = entry.request_id,
            .model = entry.model,
            .priority = entry.priority,
            .n_prompt_tokens = entry.n_prompt_tokens,
            .age_us = now_us - entry.arrival_us};
    if (entry.engine != nullptr) {
      const auto [at, is_new] = engines.try_emplace(entry.engine);
      if (is_new) {
        for (LiveRequest& request : entry.engine->live()) {
          at->second.emplace(value(request.id), std::move(request));
        }
      }
      merge(entry, at->second, row);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

bool LiveRequests::cancel(const Name& name) {
  // Copies, because a cancelled request may take its entry away.
  std::vector<std::function<void()>> cancels;
  for (const Entry& entry : entries_) {
    if (entry.key_salt == name.key_salt && entry.request_id == name.request_id) {
      cancels.push_back(entry.cancel);
    }
  }
  for (const auto& cancel_one : cancels) {
    cancel_one();
  }
  return !cancels.empty();
}

void LiveRequests::cancel_all() {
  std::vector<std::function<void()>> cancels;
  for (const Entry& entry : entries_) {
    cancels.push_back(entry.cancel);
  }
  for (const auto& cancel_one : cancels) {
    cancel_one();
  }
}

}  // namespace quern::server
