// BlockHash: the identity of a full KV block, a hash of everything its contents depend on: the
// cache salt, all tokens before the block (through the parent's hash) and its own tokens.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/ids.h"

namespace quern {

struct BlockHash {
  uint64_t low = 0;
  uint64_t high = 0;

  bool operator==(const BlockHash&) const = default;
};

// The parent of a sequence's first block. Sequences with different salts share nothing.
BlockHash hash_root(std::string_view cache_salt, uint64_t seed);

// At most kMaxHashedTokens tokens. XXH3 with 128 bits over (parent, tokens).
inline constexpr uint32_t kMaxHashedTokens = 64;
BlockHash hash_block(const BlockHash& parent, std::span<const TokenId> tokens, uint64_t seed);

}  // namespace quern
