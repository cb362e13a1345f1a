// The metrics page: numbers of this process in Prometheus' text format.
// Source: Prometheus, "Exposition formats" (text, version 0.0.4).
#pragma once

#include <string>

#include "server/server_context.h"

namespace quern::server {

std::string metrics_page(ServerContext& context);

}  // namespace quern::server
