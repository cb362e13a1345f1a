#include "server/digest.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <random>

namespace quern::server {
namespace {

using Secret = std::array<uint32_t, 48>;  // 192 bytes, as long as XXH3's own
static_assert(sizeof(Secret) >= XXH3_SECRET_SIZE_MIN);

Secret draw_secret() {
  std::random_device device;
  Secret secret{};
  for (uint32_t& word : secret) {
    word = device();
  }
  return secret;
}

}  // namespace

Digest keyed_digest(std::string_view text) {
  static const Secret secret = draw_secret();
  const XXH128_hash_t hash =
      XXH3_128bits_withSecret(text.data(), text.size(), secret.data(), sizeof secret);
  return {hash.low64, hash.high64};
}

std::string to_hex(const Digest& digest) {
  return fmt::format("{:016x}{:016x}", digest[1], digest[0]);
}

}  // namespace quern::server
