// VocabTable: the validated words of a vocabulary: texts, types, scores, and ids by text.
// Immutable after Tokenizer::create has settled the types, then safe to use from many threads.
// Owns copies of everything.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "text/vocab.h"

namespace quern {

// U+2581, which SentencePiece writes for a space inside tokens.
inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

class VocabTable {
 public:
  // Checks counts, duplicate texts, finite scores and the form of byte tokens.
  static Result<VocabTable> create(const VocabSpec& spec);

  uint32_t size() const { return static_cast<uint32_t>(types_.size()); }
  std::string_view text(TokenId id) const {
    const auto i = static_cast<size_t>(value(id));
    return std::string_view(texts_).substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
  }
  TokenType type(TokenId id) const { return types_[static_cast<size_t>(value(id))]; }
  void set_type(TokenId id, TokenType type) { types_[static_cast<size_t>(value(id))] = type; }
  // 0 where the file has no scores.
  float score(TokenId id) const {
    return scores_.empty() ? 0.0F : scores_[static_cast<size_t>(value(id))];
  }
  // The token with exactly this text, or kNoToken. An empty text has none.
  TokenId find(std::string_view text) const;
  // The token of a "<0x41>" that stands for this byte, or kNoToken.
  TokenId byte_token(uint8_t byte) const { return byte_tokens_[byte]; }
  bool has_all_byte_tokens() const;

 private:
  struct Slot {
    uint32_t tag = 0;  // high bits of the hash, to skip most comparisons
    int32_t id = -1;
  };

  Status add_texts(const VocabSpec& spec);
  Status index_texts();
  void mark_byte_tokens();
  Status index_byte_tokens();

  std::string texts_;
  std::vector<uint32_t> offsets_;
  std::vector<TokenType> types_;
  std::vector<float> scores_;
  std::vector<Slot> slots_;  // a power of two, at most half full
  std::array<TokenId, 256> byte_tokens_{};
};

// The byte that "<0x41>" names (either case of hex digits), or -1.
int parse_byte_token(std::string_view text);

}  // namespace quern
