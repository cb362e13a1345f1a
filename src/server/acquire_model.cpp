#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "base/system_info.h"
#include "server/generation.h"
#include "server/inbox.h"
#include "server/live_requests.h"
#include "server/request_deadlines.h"
#include "server/servable_models.h"

namespace quern::server {
namespace {

using LeaseInbox = Inbox<Result<ModelLease>>;

constexpr int64_t kMicrosPerSecond = 1'000'000;
constexpr uint32_t kLoadRetryS = 5;

// Why a request stopped waiting for its model.
struct Patience {
  int64_t until_us = kNoDeadline;
  FinishCause cause = FinishCause::none;  // none: the server's own load time-out

  void limit(int64_t deadline_us, FinishCause why) {
    if (deadline_us < until_us) {
      until_us = deadline_us;
      cause = why;
    }
  }
};

Patience patience_of(const Exchange& exchange, const ServerConfig& config,
                     const ScheduleFields& schedule) {
  const int64_t arrival_us = arrival_of(exchange);
  const Deadlines deadlines = deadlines_of(schedule, arrival_us);
  Patience patience;
  patience.limit(arrival_us + int64_t{config.load_timeout_s} * kMicrosPerSecond, FinishCause::none);
  patience.limit(deadlines.total_us, FinishCause::total_timeout);
  patience.limit(deadlines.first_token_us, FinishCause::first_token_timeout);
  patience.limit(deadlines.queue_us, FinishCause::queue_timeout);
  return patience;
}

// 4xx where another try would end the same way.
ApiError load_error(const Error& error, const std::string& name) {
  ApiError refused = from_error(error);
  if (error.kind == ErrorKind::not_found) {
    refused.code = "model_not_found";
    refused.param = "model";
  } else if (error.kind == ErrorKind::cancelled) {
    refused = unavailable("draining", std::move(refused.message), kLoadRetryS);
  } else if (error.kind == ErrorKind::invalid_input) {
    refused.status = 422;  // the file is broken
    refused.code = "model_load_failed";
    refused.param = "model";
    refused.message = fmt::format("the model '{}' cannot be loaded: {}", name, refused.message);
  } else if (error.kind == ErrorKind::unsupported) {
    refused.param = "model";
  }
  return refused;
}

void count_refused(ErrorKind kind, EngineMetrics& metrics) {
  if (kind == ErrorKind::out_of_memory || kind == ErrorKind::cancelled) {
    const auto reason =
        kind == ErrorKind::cancelled ? RejectReason::draining : RejectReason::out_of_memory;
    ++metrics.n_rejected[static_cast<size_t>(reason)];
  }
}

ApiError too_late(const Patience& patience, const std::string& name, ServerContext& context) {
  if (patience.cause != FinishCause::none) {
    return from_finish(FinishReason::timeout, patience.cause, {});
  }
  ++context.metrics.n_rejected[static_cast<size_t>(RejectReason::loading)];
  return unavailable("loading",
                     fmt::format("the model {} still loads after {} s; expected another try later",
                                 name, context.config.load_timeout_s),
                     kLoadRetryS);
}

}  // namespace

boost::asio::awaitable<Api<ModelLease>> acquire_model(Exchange& exchange, ServerContext& context,
                                                      ModelWish wish) {
  std::string name = std::move(wish.name);
  if (name.empty()) {
    name = co_await default_model(context);
  }
  if (name.empty()) {
    ApiError error = bad_field("model", "model is missing; expected a name that /v1/models lists");
    co_return refuse(std::move(error));
  }
  const Patience patience = patience_of(exchange, context.config, wish.schedule);
  const auto inbox = std::make_shared<LeaseInbox>(exchange.executor());
  const LeaseInbox::Guard guard(inbox);
  const std::function<void()> give_up = [inbox] { inbox->interrupt(); };
  LiveRequests::Entry entry;
  entry.request_id = exchange.request().request_id;
  entry.key_salt = exchange.request().key_salt;
  entry.model = name;
  entry.priority = wish.schedule.priority;
  entry.arrival_us = arrival_of(exchange);
  entry.cancel = give_up;
  const LiveRequests::Ticket ticket = context.live.add(std::move(entry));
  exchange.on_client_gone(give_up);
  const std::shared_ptr<ModelWait> wait = context.models.acquire(
      name, [inbox](Result<ModelLease> lease) { inbox->push(std::move(lease)); });

  const auto left =
      std::chrono::microseconds(std::max<int64_t>(patience.until_us - monotonic_us(), 0));
  std::optional<Result<ModelLease>> answer = co_await inbox->next(LeaseInbox::Clock::now() + left);
  exchange.on_client_gone({});
  if (!answer) {
    context.models.give_up(*wait);
    ApiError error = inbox->is_interrupted()
                         ? from_finish(FinishReason::cancelled, FinishCause::none, {})
                         : too_late(patience, name, context);
    co_return refuse(std::move(error));
  }
  if (!*answer) {
    count_refused(answer->error().kind, context.metrics);
    ApiError error = load_error(answer->error(), name);
    co_return refuse(std::move(error));
  }
  co_return std::move(**answer);
}

}  // namespace quern::server
