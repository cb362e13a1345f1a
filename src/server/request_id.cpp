#include "server/request_id.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "server/digest.h"

namespace quern::server {
namespace {

constexpr size_t kMaxChars = 128;

bool is_sane(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == ':' || c == '-';
}

}  // namespace

bool is_sane_request_id(std::string_view id) {
  return !id.empty() && id.size() <= kMaxChars && std::ranges::all_of(id, is_sane);
}

std::string fresh_request_id() {
  static std::atomic<uint64_t> n_made{0};
  return to_hex(keyed_digest(fmt::format("request {}", n_made.fetch_add(1))));
}

}  // namespace quern::server
