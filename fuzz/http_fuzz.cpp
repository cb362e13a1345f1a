// Bytes as a client could send them: whole or cut in two, they give the same requests; each target
// gives a route, or a refusal that is whole.
// The first byte says where the rest is cut.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "server/http_parser.h"
#include "server/request_id.h"
#include "server/router.h"
#include "server/target.h"

namespace quern::server {
namespace {

constexpr HttpParser::Limits kLimits{.header_bytes = 4096, .body_bytes = 4096};
constexpr size_t kMaxRequests = 64;

const Router& router() {
  static constexpr Route kRoutes[] = {
      {.method = "GET", .pattern = "/", .handler = nullptr},
      {.method = "GET", .pattern = "/v1/models/{id+}", .handler = nullptr},
      {.method = "DELETE", .pattern = "/v1/requests/{id}", .handler = nullptr},
      {.method = "POST", .pattern = "/v1/requests/{id}/again", .handler = nullptr},
  };
  static const Router router({kRoutes});
  return router;
}

struct Seen {
  std::string method;
  std::string target;
  std::string body;
  unsigned fault = 0;

  bool operator==(const Seen&) const = default;
};

void check_target(std::string_view method, const std::string& text) {
  const auto target = parse_target(text);
  if (!target) {
    return;
  }
  QUERN_CHECK(target->path == "*" || target->path.starts_with('/'));
  QUERN_CHECK(std::ranges::none_of(target->segments, &std::string::empty));
  const RouteMatch match = router().find(method, *target);
  QUERN_CHECK(match.route == nullptr || !match.methods.empty());
  for (const auto& [name, value] : match.params) {
    QUERN_CHECK(!name.empty() && !value.empty());
  }
  (void)query_value(target->query, "name");
  (void)router().hint(target->path.substr(0, 64));
}

// The request that `parser` has read or found at fault.
Seen seen_by(HttpParser& parser) {
  Seen request;
  const HttpRequest head = parser.head();
  QUERN_CHECK(is_sane_request_id(head.request_id));
  request.method = head.method;
  request.target = parser.target();
  check_target(request.method, request.target);
  if (parser.state() == HttpParser::State::failed) {
    request.fault = parser.fault().status;
    return request;
  }
  request.body = parser.take_body();
  QUERN_CHECK(request.body.size() <= kLimits.body_bytes);
  return request;
}

// Takes the next request from `unread`; false when it is not all there, or was at fault. A fault
// before a head's end may be seen at once or only when that end comes, so it is not noted.
bool read_one(HttpParser& parser, std::string& unread, std::vector<Seen>& seen) {
  HttpParser::State state = parser.feed(unread);
  if (state == HttpParser::State::body) {
    state = parser.feed(unread);
  }
  const bool failed = state == HttpParser::State::failed;
  QUERN_CHECK(!failed || (parser.fault().status >= 400 && !parser.fault().message.empty()));
  if (state != HttpParser::State::done && !failed) {
    return false;
  }
  if (parser.has_head()) {
    seen.push_back(seen_by(parser));
  }
  if (!failed) {
    parser = HttpParser(kLimits);
  }
  return !failed;
}

// Feeds `pieces` in order and notes every request that comes out, until one is at fault.
std::vector<Seen> read_all(const std::vector<std::string_view>& pieces) {
  std::vector<Seen> seen;
  HttpParser parser(kLimits);
  std::string unread;
  for (const std::string_view piece : pieces) {
    if (parser.state() == HttpParser::State::failed) {
      break;
    }
    unread += piece;
    while (seen.size() < kMaxRequests && read_one(parser, unread, seen)) {
    }
  }
  return seen;
}

void run(std::string_view input) {
  if (input.empty()) {
    return;
  }
  const size_t cut = std::min<size_t>(static_cast<unsigned char>(input[0]), input.size() - 1);
  const std::string_view bytes = input.substr(1);
  const std::vector<Seen> whole = read_all({bytes});
  const std::vector<Seen> in_two = read_all({bytes.substr(0, cut), bytes.substr(cut)});
  QUERN_CHECK(whole == in_two);
  check_target("GET", std::string(bytes));
}

}  // namespace
}  // namespace quern::server

// The name is libFuzzer's. NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n_bytes) {
  quern::server::run({reinterpret_cast<const char*>(data), n_bytes});
  return 0;
}
