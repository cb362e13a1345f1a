#include "server/api_keys.h"

#include <algorithm>
#include <string_view>

namespace quern::server {
namespace {

// What follows "Bearer", whose case does not matter (RFC 9110, section 11.1).
std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size()) {
    return {};
  }
  for (size_t i = 0; i < kScheme.size(); ++i) {
    const char c = authorization[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c) != kScheme[i]) {
      return {};
    }
  }
  authorization.remove_prefix(
      std::min(authorization.find_first_not_of(' ', kScheme.size() - 1), authorization.size()));
  return authorization;
}

}  // namespace

ApiKeys::ApiKeys(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    digests_.push_back(keyed_digest("key " + key));
  }
}

std::optional<std::string> ApiKeys::salt_of(const HttpRequest& request) const {
  if (digests_.empty()) {
    return std::string();
  }
  uint64_t n_matches = 0;
  Digest matching{};
  for (const std::string_view given :
       {bearer_token(request.header("authorization")), request.header("x-api-key")}) {
    const Digest digest = keyed_digest("key " + std::string(given));
    for (const Digest& known : digests_) {
      const uint64_t difference = (digest[0] ^ known[0]) | (digest[1] ^ known[1]);
      // All ones when nothing differs, else 0, without a branch.
      const uint64_t same = ((difference | (0 - difference)) >> 63) - 1;
      matching[0] |= digest[0] & same;
      matching[1] |= digest[1] & same;
      n_matches += same & 1;
    }
  }
  if (n_matches == 0) {
    return std::nullopt;
  }
  // Not the digest itself, which is as good as the key where it is compared.
  return to_hex(keyed_digest("salt " + to_hex(matching)));
}

}  // namespace quern::server
