// A request as it was read and an answer as it will be sent, free of the HTTP library's types.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quern::server {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;  // "GET", "POST", ...
  std::string path;    // decoded, without the query
  std::string query;   // after '?', undecoded
  Headers headers;     // names in lower case
  std::string body;
  std::string request_id;  // the client's X-Request-Id when it is sane, else a fresh one
  std::string key_salt;    // separates the prefix caches of API keys; empty without keys
  Headers path_params;     // of the route's pattern, decoded
  int64_t arrival_us = 0;  // monotonic, when its head had been read; deadlines count from it

  // Empty when there is none.
  std::string_view header(std::string_view lower_case_name) const;
  std::string_view path_param(std::string_view name) const;
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  Headers headers;
};

// Whose shapes an answer has; decides how errors look.
enum class Dialect : uint8_t { openai, ollama, anthropic, plain };

}  // namespace quern::server
