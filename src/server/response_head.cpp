#include "server/response_head.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <string_view>
#include <utility>

namespace quern::server {
namespace {

// RFC 9110, section 15; 499 is what proxies call a request that its client gave up.
constexpr std::pair<unsigned, std::string_view> kReasons[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

std::string_view reason(unsigned status) {
  const auto* found =
      std::ranges::find(kReasons, status, &std::pair<unsigned, std::string_view>::first);
  return found == std::end(kReasons) ? std::string_view("Status") : found->second;
}

void add_line(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= 0x20 || c == '\t') && byte != 0x7F) {
      out += c;
    }
  }
  out += "\r\n";
}

}  // namespace

bool is_bodyless(unsigned status) {
  return status < 200 || status == 204 || status == 304;
}

std::string write_head(const ResponseHead& head, const Headers& headers, const Headers& more) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", head.status, reason(head.status));
  add_line(out, "Server", "quern");
  add_line(out, "Date",
           fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(std::time(nullptr))));
  if (!head.content_type.empty()) {
    add_line(out, "Content-Type", head.content_type);
  }
  if (head.chunked) {
    add_line(out, "Transfer-Encoding", "chunked");
  } else if (head.n_body_bytes && !is_bodyless(head.status)) {
    add_line(out, "Content-Length", fmt::format("{}", *head.n_body_bytes));
  }
  if (!head.keep_alive) {
    add_line(out, "Connection", "close");
  } else if (head.is_http_1_0) {
    add_line(out, "Connection", "keep-alive");
  }
  for (const Headers* list : {&headers, &more}) {
    for (const auto& [name, value] : *list) {
      add_line(out, name, value);
    }
  }
  out += "\r\n";
  return out;
}

}  // namespace quern::server
