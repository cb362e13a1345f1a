// Cors: which web pages of other origins may read answers. Off until origins are named.
// Immutable, so safe from any thread. Borrows the list of origins.
// Source: WHATWG Fetch, "HTTP extensions" (the CORS protocol).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/http_types.h"

namespace quern::server {

// Whether a browser may send this as a page's origin: scheme://host[:port] in lower case, without a
// path. Source: RFC 6454, section 6.2.
bool is_origin(std::string_view text);

class Cors {
 public:
  // "*", or origins as browsers send them ("https://example.org"), compared exactly.
  explicit Cors(const std::vector<std::string>& origins) : origins_(origins) {}

  bool enabled() const { return !origins_.empty(); }
  bool allows(std::string_view origin) const;
  // Headers for the answer to `request`; none for an origin that is not allowed.
  Headers headers_for(const HttpRequest& request) const;
  // Whether the browser asks what it may send.
  bool is_preflight(const HttpRequest& request) const;
  HttpResponse preflight(const HttpRequest& request, const std::string& methods) const;

 private:
  const std::vector<std::string>& origins_;
};

}  // namespace quern::server
