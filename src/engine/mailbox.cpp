#include "engine/mailbox.h"

#include <tuple>

namespace quern {

void Mail::clear() {
  arrivals.clear();
  refusals.clear();
  cancels.clear();
  closed = false;
}

bool Mailbox::is_full(const EngineRequest& arrival) const {
  return !mail_.arrivals.empty() && (mail_.arrivals.size() >= limits_.max_requests ||
                                     n_tokens_ + arrival.n_prompt > limits_.max_tokens);
}

FinishCause Mailbox::full_cause() const {
  return mail_.arrivals.size() >= limits_.max_requests ? FinishCause::queue_full
                                                       : FinishCause::queue_tokens_full;
}

void Mailbox::refuse(EngineRequestPtr request, FinishCause cause) {
  request->sequence = Sequence{};  // its prompt is what weighs
  mail_.refusals.push_back({.request = std::move(request), .cause = cause});
}

EngineRequestPtr* Mailbox::newest_of_less_important(int32_t than_priority) {
  EngineRequestPtr* found = nullptr;
  const auto key = [](const EngineRequest& r) {
    return std::tuple(r.request.priority, r.arrival_us, r.id);
  };
  for (EngineRequestPtr& other : mail_.arrivals) {
    if (other->request.priority > than_priority &&
        (found == nullptr || key(*other) > key(**found))) {
      found = &other;
    }
  }
  return found;
}

void Mailbox::post(EngineRequestPtr request) {
  {
    const std::lock_guard lock(mutex_);
    while (is_full(*request)) {
      EngineRequestPtr* const victim = newest_of_less_important(request->request.priority);
      if (victim == nullptr) {
        break;
      }
      n_tokens_ -= (*victim)->n_prompt;
      refuse(std::move(*victim), FinishCause::displaced);
      mail_.arrivals.erase(mail_.arrivals.begin() + (victim - mail_.arrivals.data()));
    }
    if (is_full(*request)) {
      const FinishCause cause = full_cause();
      refuse(std::move(request), cause);
    } else {
      n_tokens_ += request->n_prompt;
      mail_.arrivals.push_back(std::move(request));
    }
  }
  changed_.notify_one();
}

void Mailbox::cancel(SeqId id) {
  {
    const std::lock_guard lock(mutex_);
    mail_.cancels.push_back(id);
  }
  changed_.notify_one();
}

void Mailbox::close() {
  {
    const std::lock_guard lock(mutex_);
    mail_.closed = true;
  }
  changed_.notify_one();
}

void Mailbox::take(Mail& out) {
  out.clear();
  const std::lock_guard lock(mutex_);
  const bool closed = mail_.closed;
  std::swap(out, mail_);
  mail_.closed = closed;
  n_tokens_ = 0;
}

void Mailbox::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !mail_.empty(); });
}

bool Mailbox::wait_for(std::chrono::microseconds timeout) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [this] { return !mail_.empty(); });
}

}  // namespace quern
