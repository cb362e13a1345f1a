// Small vocabularies for tests, built in place.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <initializer_list>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "text/tokenizer.h"

namespace quern::test {

// Random 32-bit numbers, the same in every run.
class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  uint32_t operator()() { return static_cast<uint32_t>(engine_()); }

 private:
  std::mt19937 engine_;
};

class VocabMaker {
 public:
  explicit VocabMaker(TokenizerKind kind) { spec_.kind = kind; }

  TokenId add(std::string text, TokenType type = TokenType::normal, float score = 0) {
    texts_.push_back(std::move(text));
    spec_.types.push_back(type);
    spec_.scores.push_back(score);
    return TokenId{static_cast<int32_t>(texts_.size() - 1)};
  }
  // <0x00> to <0xFF>.
  void add_bytes() {
    for (int byte = 0; byte < 256; ++byte) {
      add(fmt::format("<0x{:02X}>", byte), TokenType::byte);
    }
  }
  // The usual start of a SentencePiece vocabulary: <unk> 0, <s> 1, </s> 2, then the bytes.
  void add_llama_start() {
    add("<unk>", TokenType::unknown);
    add("<s>", TokenType::control);
    add("</s>", TokenType::control);
    add_bytes();
  }
  VocabSpec& spec() {
    spec_.tokens.assign(texts_.begin(), texts_.end());
    return spec_;
  }
  std::unique_ptr<const Tokenizer> make() {
    auto made = Tokenizer::create(spec(), Log());
    EXPECT_TRUE(made.has_value()) << made.error().to_string();
    return made ? std::move(*made) : nullptr;
  }

 private:
  std::deque<std::string> texts_;
  VocabSpec spec_;
};

inline std::vector<TokenId> ids(std::initializer_list<int32_t> numbers) {
  std::vector<TokenId> all;
  for (const int32_t number : numbers) {
    all.push_back(TokenId{number});
  }
  return all;
}

// Pieces as the vocabulary spells them, joined by '|'.
inline std::string pieces(const Tokenizer& tokenizer, std::string_view text,
                          EncodeOptions options = {}) {
  const auto encoded = tokenizer.encode(text, options);
  EXPECT_TRUE(encoded.has_value());
  std::string joined;
  for (const TokenId id : *encoded) {
    joined += joined.empty() ? "" : "|";
    joined += tokenizer.type(id) == TokenType::byte
                  ? fmt::format("<{:02X}>", static_cast<uint8_t>(tokenizer.token_bytes(id)[0]))
                  : std::string(tokenizer.token_bytes(id));
  }
  return joined;
}

}  // namespace quern::test
