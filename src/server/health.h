// What /health says: the state of this server, and why.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/json.h"
#include "server/server_context.h"

namespace quern::server {

enum class ServerState : uint8_t { starting, ready, degraded, draining };
std::string_view to_string(ServerState state);

struct Health {
  ServerState state = ServerState::ready;
  std::string reason;  // why it is not ready; else empty
};

Health health_of(const ServerContext& context, const std::vector<ModelStatus>& models);

// The body of /health.
Json health_json(ServerContext& context);

}  // namespace quern::server
