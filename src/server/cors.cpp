#include "server/cors.h"

#include <algorithm>
#include <string_view>

namespace quern::server {
namespace {

constexpr size_t kMaxRequestedHeaders = 2048;

bool is_header_list(std::string_view text) {
  return text.size() <= kMaxRequestedHeaders && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == ',' || c == ' ';
         });
}

}  // namespace

bool is_origin(std::string_view text) {
  constexpr std::string_view kMark = "://";
  const size_t mark = text.find(kMark);
  if (mark == 0 || mark == std::string_view::npos) {
    return false;
  }
  const std::string_view scheme = text.substr(0, mark);
  const std::string_view host = text.substr(mark + kMark.size());
  const auto is_scheme = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  };
  const auto is_host = [](char c) {
    return c > ' ' && c < '\x7F' && !(c >= 'A' && c <= 'Z') &&
           std::string_view("/?#@\\*\"<>").find(c) == std::string_view::npos;
  };
  return std::ranges::all_of(scheme, is_scheme) && !host.empty() && !host.starts_with(':') &&
         std::ranges::all_of(host, is_host);
}

Headers Cors::headers_for(const HttpRequest& request) const {
  const std::string_view origin = request.header("origin");
  if (!enabled() || origin.empty()) {
    return {};
  }
  const bool any = std::ranges::find(origins_, "*") != origins_.end();
  const bool allowed = any || std::ranges::find(origins_, origin) != origins_.end();
  Headers headers;
  if (!any) {
    headers.emplace_back("Vary", "Origin");
  }
  if (allowed) {
    headers.emplace_back("Access-Control-Allow-Origin", any ? "*" : std::string(origin));
    headers.emplace_back("Access-Control-Expose-Headers", "X-Request-Id, Retry-After");
  }
  return headers;
}

bool Cors::is_preflight(const HttpRequest& request) const {
  return enabled() && request.method == "OPTIONS" && !request.header("origin").empty() &&
         !request.header("access-control-request-method").empty();
}

HttpResponse Cors::preflight(const HttpRequest& request, const std::string& methods) const {
  HttpResponse response{.status = 204, .content_type = "", .body = "", .headers = {}};
  const Headers origin = headers_for(request);
  const bool allowed = std::ranges::any_of(
      origin, [](const auto& pair) { return pair.first == "Access-Control-Allow-Origin"; });
  if (allowed) {
    response.headers.emplace_back("Access-Control-Allow-Methods", methods);
    response.headers.emplace_back("Access-Control-Max-Age", "600");
    const std::string_view wanted = request.header("access-control-request-headers");
    if (!wanted.empty() && is_header_list(wanted)) {
      response.headers.emplace_back("Access-Control-Allow-Headers", wanted);
    }
  }
  return response;
}

}  // namespace quern::server
