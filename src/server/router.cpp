#include "server/router.h"

#include <algorithm>
#include <optional>

#include "engine/nearest_names.h"

namespace quern::server {
namespace {

std::string_view take_segment(std::string_view& pattern) {
  pattern.remove_prefix(std::min<size_t>(1, pattern.size()));  // the slash
  const std::string_view segment = pattern.substr(0, pattern.find('/'));
  pattern.remove_prefix(segment.size());
  return segment;
}

std::string joined(std::span<const std::string> segments) {
  std::string text;
  for (const std::string& segment : segments) {
    text += (text.empty() ? "" : "/") + segment;
  }
  return text;
}

// The parameters, when `pattern` covers all segments.
std::optional<Headers> match(std::string_view pattern, std::span<const std::string> segments) {
  Headers params;
  while (!pattern.empty() && pattern != "/") {
    const std::string_view part = take_segment(pattern);
    if (segments.empty()) {
      return std::nullopt;
    }
    if (!part.starts_with('{')) {
      if (part != segments.front()) {
        return std::nullopt;
      }
    } else if (part.ends_with("+}")) {
      params.emplace_back(part.substr(1, part.size() - 3), joined(segments));
      return params;
    } else {
      params.emplace_back(part.substr(1, part.size() - 2), segments.front());
    }
    segments = segments.subspan(1);
  }
  return segments.empty() ? std::optional(std::move(params)) : std::nullopt;
}

}  // namespace

Router::Router(std::vector<std::span<const Route>> tables) : tables_(std::move(tables)) {}

RouteMatch Router::find(std::string_view method, const Target& target) const {
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  RouteMatch result;
  for (const auto& table : tables_) {
    for (const Route& route : table) {
      std::optional<Headers> params = match(route.pattern, target.segments);
      if (!params) {
        continue;
      }
      if (route.method == wanted && result.route == nullptr) {
        result.route = &route;
        result.params = std::move(*params);
      }
      if (std::ranges::find(result.methods, route.method) == result.methods.end()) {
        result.methods.push_back(route.method);
      }
    }
  }
  return result;
}

std::string Router::hint(std::string_view path) const {
  std::vector<std::string> paths;
  for (const auto& table : tables_) {
    for (const Route& route : table) {
      if (!route.is_stub) {
        paths.emplace_back(route.pattern);
      }
    }
  }
  std::vector<std::string> nearest = nearest_names(path, paths);
  return nearest.empty() ? std::string() : std::move(nearest.front());
}

Dialect dialect_of_malformed(std::string_view target) {
  if (target.starts_with("/api/")) {
    return Dialect::ollama;
  }
  if (target.starts_with("/v1/messages")) {
    return Dialect::anthropic;
  }
  return target.starts_with("/v1/") ? Dialect::openai : Dialect::plain;
}

Dialect dialect_of(const Target& target) {
  if (target.segments.empty()) {
    return Dialect::plain;
  }
  if (target.segments[0] == "api") {
    return Dialect::ollama;
  }
  if (target.segments[0] != "v1") {
    return Dialect::plain;
  }
  return target.segments.size() > 1 && target.segments[1] == "messages" ? Dialect::anthropic
                                                                        : Dialect::openai;
}

}  // namespace quern::server
