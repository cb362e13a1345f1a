#include "cache/block_hash.h"

#include <xxhash.h>

#include <array>
#include <cstring>

#include "base/check.h"

namespace quern {

// The root takes another seed, so that no salt, whatever its bytes, can equal a parent and tokens.
BlockHash hash_root(std::string_view cache_salt, uint64_t seed) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(cache_salt.data(), cache_salt.size(), ~seed);
  return {.low = hash.low64, .high = hash.high64};
}

BlockHash hash_block(const BlockHash& parent, std::span<const TokenId> tokens, uint64_t seed) {
  QUERN_CHECK(tokens.size() <= kMaxHashedTokens);
  std::array<std::byte, sizeof(BlockHash) + kMaxHashedTokens * sizeof(TokenId)> bytes;
  std::memcpy(bytes.data(), &parent, sizeof(parent));
  std::memcpy(bytes.data() + sizeof(parent), tokens.data(), tokens.size_bytes());
  const XXH128_hash_t hash =
      XXH3_128bits_withSeed(bytes.data(), sizeof(parent) + tokens.size_bytes(), seed);
  return {.low = hash.low64, .high = hash.high64};
}

}  // namespace quern
