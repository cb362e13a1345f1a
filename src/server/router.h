// Router: finds the route of a request.
// Immutable, so safe from any thread. Borrows the tables, which are static.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/route.h"
#include "server/target.h"

namespace quern::server {

struct RouteMatch {
  const Route* route = nullptr;  // null: no such path, or not with this method
  Headers params;
  // Of the path, where it is known; "GET" stands for "HEAD" too.
  std::vector<std::string_view> methods;
};

class Router {
 public:
  explicit Router(std::vector<std::span<const Route>> tables);

  RouteMatch find(std::string_view method, const Target& target) const;
  // "GET /v1/models" for "/v1/model"; empty when nothing is near.
  std::string hint(std::string_view path) const;

 private:
  std::vector<std::span<const Route>> tables_;
};

// Whose shapes an answer about this path has, where no route says so.
Dialect dialect_of(const Target& target);
// The same by its first bytes, of one that cannot be parsed.
Dialect dialect_of_malformed(std::string_view target);

}  // namespace quern::server
