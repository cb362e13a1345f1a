// Strong integer ids: mixing up a token with a sequence does not compile.
#pragma once

#include <cstdint>

namespace quern {

enum class TokenId : int32_t {};
enum class SeqId : uint64_t {};
enum class BlockId : int32_t {};

// KV positions a block holds. 16 keys fill one 512-bit register of f32 scores.
inline constexpr uint32_t kKvBlockTokens = 16;

inline constexpr TokenId kNoToken{-1};
inline constexpr BlockId kNoBlock{-1};

constexpr int32_t value(TokenId id) {
  return static_cast<int32_t>(id);
}
constexpr uint64_t value(SeqId id) {
  return static_cast<uint64_t>(id);
}
constexpr int32_t value(BlockId id) {
  return static_cast<int32_t>(id);
}

}  // namespace quern
