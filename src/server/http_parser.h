// HttpParser: bytes of a connection to one HTTP/1 request. Knows nothing of sockets.
// Not thread-safe. Owns what it has read. Source: RFC 9110, RFC 9112.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/http_types.h"

namespace quern::server {

class HttpParser {
 public:
  struct Limits {
    uint32_t header_bytes = 64 << 10;
    uint64_t body_bytes = uint64_t{32} << 20;
  };
  enum class State : uint8_t { head, body, done, failed };
  // Why it failed, as an answer may say it.
  struct Fault {
    unsigned status = 400;
    std::string code;
    std::string message;
  };

  explicit HttpParser(const Limits& limits);
  ~HttpParser();
  HttpParser(HttpParser&&) noexcept;
  HttpParser& operator=(HttpParser&&) noexcept;

  // Takes what it can from the front of `unread`, but stops once at the head's end (State::body or
  // done), so that the head can be judged before the body is read.
  State feed(std::string& unread);
  State state() const;
  const Fault& fault() const;

  // Once the head was read, method, headers, request_id; its target beside it. A request that
  // cannot be answered as it stands has a fault though its head was read.
  bool has_head() const;
  HttpRequest head() const;
  std::string target() const;
  bool keep_alive() const;
  bool is_http_1_0() const;
  bool expects_continue() const;
  std::optional<uint64_t> content_length() const;

  std::string take_body();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quern::server
