// ServerContext: what all handlers share. Plain references; lives as long as the server.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/log.h"
#include "engine/engine_metrics.h"
#include "engine/model_manager.h"

namespace quern::server {

class LiveRequests;
class ResponseStore;
class Offload;

struct ServerConfig {
  std::string host = "127.0.0.1";
  uint16_t port = 11434;  // 0: any free one
  std::vector<std::string> api_keys;
  std::vector<std::string> cors_origins;  // empty: CORS is off
  uint64_t max_body_bytes = uint64_t{32} << 20;
  uint32_t max_connections = 1024;
  uint32_t header_timeout_s = 15;
  uint32_t body_timeout_s = 60;
  uint32_t idle_timeout_s = 75;
  uint32_t write_timeout_s = 30;  // one that reads nothing for so long is dropped
  uint32_t load_timeout_s = 300;  // a request waits so long for its model
  uint32_t drain_timeout_s = 30;
  bool log_json = false;
  bool insecure = false;  // without keys, web pages of elsewhere are answered too
};

struct ServerContext {
  const ServerConfig& config;
  ModelManager& models;
  EngineMetrics& metrics;
  const Log& log;
  LiveRequests& live;        // of all engines, by request id (live_requests.h)
  ResponseStore& responses;  // for previous_response_id (response_store.h)
  Offload& offload;          // workers for what is too long for the io thread (offload.h)
  std::atomic<bool>& draining;
  int64_t started_us = 0;                       // monotonic
  const std::atomic<bool>* starting = nullptr;  // models named at the start still load; may be null
};

}  // namespace quern::server
