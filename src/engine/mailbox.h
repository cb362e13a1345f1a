// Mailbox: what other threads have for the engine thread, collected between two of its steps.
// Thread-safe: any thread posts, one takes. Owns the requests until they are taken. Bounded as the
// queue behind it is, by requests and by tokens.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "engine/engine_request.h"

namespace quern {

struct MailboxLimits {
  uint32_t max_requests = 1024;
  uint64_t max_tokens = 1'000'000;  // of all prompts, unless it is only one
};

// A request that found no room; light, since its prompt is gone.
struct Refusal {
  EngineRequestPtr request;
  FinishCause cause = FinishCause::queue_full;
};

struct Mail {
  std::vector<EngineRequestPtr> arrivals;
  std::vector<Refusal> refusals;
  std::vector<SeqId> cancels;  // of arrivals too
  bool closed = false;

  bool empty() const { return arrivals.empty() && refusals.empty() && cancels.empty() && !closed; }
  void clear();
};

class Mailbox {
 public:
  explicit Mailbox(const MailboxLimits& limits) : limits_(limits) {}

  // A full mailbox refuses the newest of the least important, this one among them.
  void post(EngineRequestPtr request);
  void cancel(SeqId id);
  // Nothing comes any more; the taker is told.
  void close();

  // Everything there is, perhaps nothing. `out` is emptied first and keeps its capacity.
  void take(Mail& out);
  // Sleeps until there is something.
  void wait();
  // False if there was nothing for so long.
  bool wait_for(std::chrono::microseconds timeout);

 private:
  bool is_full(const EngineRequest& arrival) const;
  FinishCause full_cause() const;
  void refuse(EngineRequestPtr request, FinishCause cause);
  EngineRequestPtr* newest_of_less_important(int32_t than_priority);

  const MailboxLimits limits_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Mail mail_;
  uint64_t n_tokens_ = 0;  // of mail_.arrivals
};

}  // namespace quern
