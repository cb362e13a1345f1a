// The OpenAPI document, embedded at build time from openapi.json.
#pragma once

#include <string>

namespace quern::server {

std::string openapi_document();

}  // namespace quern::server
