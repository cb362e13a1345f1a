#include "engine/request_meter.h"

#include <algorithm>

namespace quern {
namespace {

double seconds(int64_t us) {
  return static_cast<double>(std::max<int64_t>(us, 0)) / 1e6;
}

}  // namespace

std::optional<RejectReason> reject_reason(const TokenEvent& event) {
  switch (event.cause) {
    case FinishCause::queue_full:
      return RejectReason::queue_full;
    case FinishCause::queue_tokens_full:
      return RejectReason::queue_tokens_full;
    case FinishCause::displaced:
      return RejectReason::displaced;
    default:
      break;
  }
  const bool never_ran = event.finish == FinishReason::error && event.usage.started_us == kNever;
  if (never_ran && event.error_kind == ErrorKind::out_of_memory) {
    return RejectReason::out_of_memory;
  }
  return std::nullopt;
}

void RequestMeter::observe(const TokenEvent& event, int64_t now_us) {
  if (event.token != kNoToken) {
    count_token(now_us);
  }
  if (event.finish) {
    count_end(event);
  }
}

void RequestMeter::count_token(int64_t now_us) {
  ++metrics_->n_generated_tokens;
  if (last_token_us_ == kNever) {
    metrics_->n_prompt_tokens += arrival_.n_prompt;
    metrics_->time_to_first_token_s.observe(seconds(now_us - arrival_.time_us));
  } else {
    metrics_->inter_token_latency_s.observe(seconds(now_us - last_token_us_));
  }
  last_token_us_ = now_us;
}

void RequestMeter::count_end(const TokenEvent& event) {
  if (const auto reason = reject_reason(event)) {
    ++metrics_->n_rejected[static_cast<size_t>(*reason)];
    return;
  }
  ++metrics_->n_finished[static_cast<size_t>(*event.finish)];
  metrics_->e2e_latency_s.observe(seconds(event.usage.finished_us - arrival_.time_us));
  if (event.usage.started_us != kNever) {
    metrics_->queue_time_s.observe(seconds(event.usage.started_us - arrival_.time_us));
  }
  if (*event.finish == FinishReason::length && last_token_us_ == kNever) {
    metrics_->n_prompt_tokens += arrival_.n_prompt;  // only the prompt was wanted
  }
}

}  // namespace quern
