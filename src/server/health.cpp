#include "server/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "base/system_info.h"
#include "server/live_requests.h"

namespace quern::server {
namespace {

constexpr int64_t kMicrosPerSecond = 1'000'000;

// Seconds since 1970 of a point on the monotonic clock.
int64_t unix_seconds_at(int64_t monotonic_point_us) {
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  return (now.count() - (monotonic_us() - monotonic_point_us)) / kMicrosPerSecond;
}

Json models_json(const std::vector<ModelStatus>& models, const LiveRequests& live) {
  Json list = Json::array();
  for (const ModelStatus& model : models) {
    if (model.state == ModelStatus::State::ready) {
      list.push_back({{"name", model.name},
                      {"bytes", model.bytes},
                      {"last_used", unix_seconds_at(model.last_used_us)},
                      {"in_flight", live.n_of(model.name)}});
    }
  }
  return list;
}

Json queue_json(const std::vector<ModelStatus>& models) {
  uint64_t n_waiting = 0;
  uint64_t n_tokens = 0;
  int64_t oldest_us = 0;
  std::map<int32_t, uint64_t> by_priority;
  for (const ModelStatus& model : models) {
    n_waiting += model.engine.n_waiting;
    n_tokens += model.engine.n_waiting_tokens;
    oldest_us = std::max(oldest_us, model.engine.oldest_waiting_us);
    for (const auto& [priority, n] : model.engine.waiting_by_priority) {
      by_priority[priority] += n;
    }
  }
  Json priorities = Json::object();
  for (const auto& [priority, n] : by_priority) {
    priorities[std::to_string(priority)] = n;
  }
  return {{"depth", n_waiting},
          {"tokens", n_tokens},
          {"oldest_ms", oldest_us / 1000},
          {"by_priority", std::move(priorities)}};
}

Json kv_json(const std::vector<ModelStatus>& models) {
  uint64_t n_total = 0;
  uint64_t n_free = 0;
  uint64_t n_cached = 0;
  for (const ModelStatus& model : models) {
    n_total += model.engine.stats.kv_blocks_total;
    n_free += model.engine.stats.kv_blocks_free;
    n_cached += model.engine.stats.kv_blocks_cached;
  }
  return {{"blocks_total", n_total},
          {"blocks_used", n_total - std::min(n_total, n_free + n_cached)},
          {"blocks_free", n_free},
          {"blocks_cached", n_cached}};
}

Json memory_json(const std::vector<ModelStatus>& models, uint64_t limit_bytes) {
  uint64_t n_weights = 0;
  uint64_t n_kv = 0;
  uint64_t n_activations = 0;
  for (const ModelStatus& model : models) {
    n_weights += model.engine.weights_bytes;
    n_kv += model.engine.kv_bytes;
    n_activations += model.engine.activations_bytes;
  }
  return {{"rss_bytes", current_rss_bytes()},
          {"weights_bytes", n_weights},
          {"kv_bytes", n_kv},
          {"activations_bytes", n_activations},
          {"limit_bytes", limit_bytes}};
}

}  // namespace

std::string_view to_string(ServerState state) {
  switch (state) {
    case ServerState::starting:
      return "starting";
    case ServerState::ready:
      return "ready";
    case ServerState::degraded:
      return "degraded";
    case ServerState::draining:
      break;
  }
  return "draining";
}

Health health_of(const ServerContext& context, const std::vector<ModelStatus>& models) {
  if (context.draining.load()) {
    return {.state = ServerState::draining, .reason = "draining: the server is shutting down"};
  }
  for (const ModelStatus& model : models) {
    if (model.is_stuck) {
      return {.state = ServerState::degraded,
              .reason = fmt::format("degraded: a step of {} has been running for {} ms", model.name,
                                    model.step_age_ms)};
    }
  }
  if (context.starting != nullptr && context.starting->load()) {
    return {.state = ServerState::starting, .reason = "loading: models named at the start"};
  }
  return {.state = ServerState::ready, .reason = ""};
}

Json health_json(ServerContext& context) {
  const std::vector<ModelStatus> models = context.models.status();
  const Health health = health_of(context, models);
  int64_t step_age_ms = 0;
  for (const ModelStatus& model : models) {
    step_age_ms = std::max(step_age_ms, model.step_age_ms);
  }
  return {{"version", QUERN_VERSION},
          {"uptime_s", (monotonic_us() - context.started_us) / kMicrosPerSecond},
          {"state", to_string(health.state)},
          {"reason", health.reason},
          {"models", models_json(models, context.live)},
          {"queue", queue_json(models)},
          {"kv", kv_json(models)},
          {"memory", memory_json(models, context.models.stats().limit_bytes)},
          {"step_age_ms", step_age_ms}};
}

}  // namespace quern::server
