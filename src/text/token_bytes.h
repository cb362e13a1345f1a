// TokenBytes: what each token of a vocabulary stands for as bytes of text.
// Immutable, safe to use from many threads. Owns the bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "text/vocab_table.h"

namespace quern {

// How the texts of normal tokens are written.
enum class TokenSpelling {
  byte_level,  // GPT-2's: each byte as a printable character
  space_mark,  // SentencePiece's: U+2581 is a space
  plain,
};

class TokenBytes {
 public:
  TokenBytes() = default;
  TokenBytes(const VocabTable& tokens, TokenSpelling spelling);

  std::string_view operator[](TokenId id) const {
    const auto i = static_cast<size_t>(value(id));
    return std::string_view(bytes_).substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
  }

 private:
  std::string bytes_;
  std::vector<uint32_t> offsets_;
};

}  // namespace quern
