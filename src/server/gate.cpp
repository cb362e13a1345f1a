#include "server/gate.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/loopback.h"
#include "text/printable.h"

namespace quern::server {
namespace {

constexpr uint32_t kDrainRetryS = 10;  // by then another instance is likely to answer here

// "GET, HEAD, OPTIONS, POST"
std::string allowed_methods(const std::vector<std::string_view>& methods) {
  std::vector<std::string_view> all = methods;
  all.emplace_back("OPTIONS");
  if (std::ranges::find(methods, "GET") != methods.end()) {
    all.emplace_back("HEAD");
  }
  std::ranges::sort(all);
  std::string text;
  for (const std::string_view method : all) {
    text.append(text.empty() ? "" : ", ").append(method);
  }
  return text;
}

HttpResponse unauthorized(Dialect dialect) {
  HttpResponse response = error_response(
      {.status = 401,
       .type = "authentication_error",
       .code = "invalid_api_key",
       .param = "",
       .message = "no valid API key; expected one in Authorization: Bearer KEY or in x-api-key"},
      dialect);
  response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

HttpResponse forbidden(std::string code, std::string message, Dialect dialect) {
  return error_response({.status = 403,
                         .type = "permission_error",
                         .code = std::move(code),
                         .param = "",
                         .message = std::move(message)},
                        dialect);
}

HttpResponse method_not_allowed(const HttpRequest& request, const std::string& allowed,
                                Dialect dialect) {
  HttpResponse response = error_response(
      {.status = 405,
       .type = "invalid_request_error",
       .code = "method_not_allowed",
       .param = "",
       .message = fmt::format("{} is not a method of {}; expected one of {}",
                              printable(request.method), printable(request.path), allowed)},
      dialect);
  response.headers.emplace_back("Allow", allowed);
  return response;
}

}  // namespace

Gate::Gate(ServerContext& context, std::vector<std::span<const Route>> tables)
    : context_(context),
      router_(std::move(tables)),
      keys_(context.config.api_keys),
      cors_(context.config.cors_origins),
      is_guarded_(context.config.api_keys.empty() && !context.config.insecure &&
                  is_loopback(context.config.host)) {}

Headers Gate::common_headers(const HttpRequest& request) const {
  Headers headers = cors_.headers_for(request);
  headers.emplace_back("X-Request-Id", request.request_id);
  return headers;
}

HttpResponse Gate::not_found(const HttpRequest& request, Dialect dialect) const {
  const std::string hint = router_.hint(request.path);
  return error_response(
      {.status = 404,
       .type = "not_found_error",
       .code = "unknown_route",
       .param = "",
       .message = fmt::format("there is no {}; expected {}", printable(request.path),
                              hint.empty() ? "a path that /openapi.json lists" : hint)},
      dialect);
}

// A page's name may lead here by its own name server, which makes this server the page's own
// origin: then only Host tells. Programs other than browsers send no Origin.
std::optional<HttpResponse> Gate::foreign_page(const HttpRequest& request, Dialect dialect) const {
  if (!is_guarded_) {
    return std::nullopt;
  }
  const std::string_view host = request.header("host");
  if (!host.empty() && !is_loopback_authority(host)) {
    return forbidden("foreign_host",
                     fmt::format("this server has no API key and answers to names of this machine "
                                 "only, not to {}; expected localhost or 127.0.0.1 as the host, or "
                                 "a server started with --api-key-file FILE or --insecure",
                                 printable(host)),
                     dialect);
  }
  const std::string_view origin = request.header("origin");
  if (!origin.empty() && !is_loopback_origin(origin) && !cors_.allows(origin)) {
    return forbidden("foreign_origin",
                     fmt::format("this server has no API key and answers no web pages of {}; "
                                 "expected a page of this machine, or a server started with "
                                 "--cors-origin ORIGIN, --api-key-file FILE or --insecure",
                                 printable(origin)),
                     dialect);
  }
  return std::nullopt;
}

std::optional<HttpResponse> Gate::refusal(HttpRequest& request, const RouteMatch& match,
                                          Dialect dialect) const {
  const bool is_open = match.route != nullptr && match.route->is_open;
  std::optional<std::string> salt = keys_.salt_of(request);
  if (!salt && !is_open) {
    return unauthorized(dialect);
  }
  request.key_salt = salt ? std::move(*salt) : std::string();
  if (match.methods.empty()) {
    return not_found(request, dialect);
  }
  const std::string allowed = allowed_methods(match.methods);
  if (match.route == nullptr && request.method == "OPTIONS") {
    return HttpResponse{
        .status = 204, .content_type = "", .body = "", .headers = {{"Allow", allowed}}};
  }
  if (match.route == nullptr) {
    return method_not_allowed(request, allowed, dialect);
  }
  if (context_.draining.load() && !match.route->while_draining) {
    ++context_.metrics.n_rejected[static_cast<size_t>(RejectReason::draining)];
    return error_response(
        unavailable("draining", "this server is shutting down; expected another try later",
                    kDrainRetryS),
        dialect);
  }
  return std::nullopt;
}

Verdict Gate::check(HttpRequest& request, std::string_view target) const {
  std::optional<Target> parsed = parse_target(target);
  if (!parsed) {
    const Dialect dialect = dialect_of_malformed(target);
    return {.route = nullptr,
            .answer = error_response(
                {.status = 400,
                 .code = "bad_target",
                 .param = "",
                 .message = "the request target is malformed; expected a path such as /v1/models"},
                dialect),
            .dialect = dialect};
  }
  request.path = parsed->path;
  request.query = parsed->query;
  RouteMatch match = router_.find(request.method, *parsed);
  Verdict verdict{.route = match.route,
                  .answer = {},
                  .dialect = match.route != nullptr ? match.route->dialect : dialect_of(*parsed)};
  verdict.answer = foreign_page(request, verdict.dialect);
  if (verdict.answer) {
    return verdict;
  }
  if (cors_.is_preflight(request)) {
    // Browsers send preflights without keys.
    verdict.answer = cors_.preflight(request, allowed_methods(match.methods));
    return verdict;
  }
  verdict.answer = refusal(request, match, verdict.dialect);
  request.path_params = std::move(match.params);
  return verdict;
}

}  // namespace quern::server
