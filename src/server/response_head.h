// The head of an answer, as bytes (RFC 9112).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "server/http_types.h"

namespace quern::server {

struct ResponseHead {
  unsigned status = 200;
  std::string content_type = {};              // none when empty
  std::optional<uint64_t> n_body_bytes = {};  // none: in chunks, or up to the connection's end
  bool chunked = false;
  bool keep_alive = true;
  bool is_http_1_0 = false;
};

// Values that could end a line are left out of it: nothing that a client sent can add headers.
std::string write_head(const ResponseHead& head, const Headers& headers, const Headers& more);

// Has no body by definition: 1xx, 204, 304.
bool is_bodyless(unsigned status);

}  // namespace quern::server
