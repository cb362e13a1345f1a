#include "server/cors.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <system_error>

#include "server/loopback.h"

namespace quern::server {
namespace {

constexpr size_t kMaxRequestedHeaders = 2048;

bool is_header_list(std::string_view text) {
  return text.size() <= kMaxRequestedHeaders && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == ',' || c == ' ';
         });
}

// Source: RFC 3986, section 3.1, in the lower case that browsers write.
bool is_scheme(std::string_view text) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto may_follow = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  };
  return !text.empty() && is_letter(text.front()) && std::ranges::all_of(text, may_follow);
}

// What ends a host, and what a browser writes in another way.
bool is_host_char(char c) {
  return c > ' ' && c < '\x7F' && !(c >= 'A' && c <= 'Z') &&
         std::string_view("/?#@\\*\"<>,;").find(c) == std::string_view::npos;
}

bool is_port(std::string_view text) {
  uint16_t port = 0;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [rest, error] = std::from_chars(begin, end, port);
  return error == std::errc() && rest == end && port > 0;
}

}  // namespace

bool is_origin(std::string_view text) {
  constexpr std::string_view kMark = "://";
  const size_t mark = text.find(kMark);
  if (mark == std::string_view::npos || !is_scheme(text.substr(0, mark))) {
    return false;
  }
  const Authority parts = split_authority(text.substr(mark + kMark.size()));
  return !parts.host.empty() && std::ranges::all_of(parts.host, is_host_char) &&
         (!parts.port || is_port(*parts.port));
}

bool Cors::allows(std::string_view origin) const {
  return std::ranges::any_of(
      origins_, [origin](const std::string& named) { return named == "*" || named == origin; });
}

Headers Cors::headers_for(const HttpRequest& request) const {
  const std::string_view origin = request.header("origin");
  if (!enabled() || origin.empty()) {
    return {};
  }
  const bool any = std::ranges::find(origins_, "*") != origins_.end();
  Headers headers;
  if (!any) {
    headers.emplace_back("Vary", "Origin");
  }
  if (allows(origin)) {
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
