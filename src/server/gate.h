// Gate: what a request must pass before its body is read: a sender that may be meant, a path that
// exists, a method it has, a key, and a server that takes work.
// Thread-safe as far as its context is. Borrows the context's configuration and flags.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "server/api_error.h"
#include "server/api_keys.h"
#include "server/cors.h"
#include "server/router.h"
#include "server/server_context.h"

namespace quern::server {

struct Verdict {
  const Route* route = nullptr;        // who answers, unless it is refused
  std::optional<HttpResponse> answer;  // a refusal, or the answer to OPTIONS
  Dialect dialect = Dialect::plain;
};

class Gate {
 public:
  Gate(ServerContext& context, std::vector<std::span<const Route>> tables);

  // Fills path, query, path_params and key_salt of `request`, whose other fields (but the body) are
  // set.
  Verdict check(HttpRequest& request, std::string_view target) const;
  // What goes into every answer to `request`.
  Headers common_headers(const HttpRequest& request) const;

 private:
  // Of what a web page of another origin sends, where neither a key nor the network keeps it out.
  std::optional<HttpResponse> foreign_page(const HttpRequest& request, Dialect dialect) const;
  std::optional<HttpResponse> refusal(HttpRequest& request, const RouteMatch& match,
                                      Dialect dialect) const;
  HttpResponse not_found(const HttpRequest& request, Dialect dialect) const;

  ServerContext& context_;
  Router router_;
  ApiKeys keys_;
  Cors cors_;
  const bool is_guarded_;  // from web pages: a server of this machine only, without keys
};

}  // namespace quern::server
