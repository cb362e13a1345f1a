// Long words of the golden BPE vocabularies against the definition of merging, written here on
// strings: runs of one letter, mixed runs and random letters.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "gguf/reader.h"
#include "model/tokenizer_from_card.h"
#include "support/golden.h"
#include "unit/text/merge_oracle.h"

namespace quern::test {
namespace {

using Strings = std::vector<std::string>;

// Each is one piece under every pre-tokenizer of the golden vocabularies.
Strings long_words() {
  std::mt19937 random(9);
  const auto below = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  Strings words;
  for (const char c : std::string_view("aelxX-")) {
    words.emplace_back(12000 + below(50), c);
  }
  for (const std::string_view alphabet : {"abcdefghijklmnopqrstuvwxyz", "etaoinsr", "ab", "ee-"}) {
    std::string& dense = words.emplace_back();
    std::string& mixed = words.emplace_back();
    const bool letters = !alphabet.contains('-');
    while (dense.size() < 12000) {
      dense += letters ? alphabet[below(alphabet.size())] : "-="[below(2)];
      mixed.append(below(30) == 0 ? 500 : 1 + below(4),
                   letters ? alphabet[below(alphabet.size())] : '-');
    }
  }
  return words;
}

// Ids of `symbols`, found as the file spells them.
std::vector<TokenId> ids_of(const Tokenizer& tokenizer, const Strings& symbols) {
  std::vector<TokenId> ids(symbols.size());
  std::ranges::transform(symbols, ids.begin(),
                         [&](const std::string& symbol) { return tokenizer.find(symbol); });
  return ids;
}

Strings characters(std::string_view ascii) {
  Strings symbols;
  for (const char c : ascii) {
    symbols.emplace_back(1, c);
  }
  return symbols;
}

std::string join(const std::string& left, const std::string& right) {
  return left + right;
}

void expect_same(const Tokenizer& tokenizer, const std::string& word, const Strings& want) {
  const auto got = tokenizer.encode(word, {});
  ASSERT_TRUE(got.has_value());
  EXPECT_TRUE(*got == ids_of(tokenizer, want))
      << word.substr(0, 20) << "...: " << got->size() << " tokens, want " << want.size();
}

class LongWords : public ::testing::TestWithParam<const char*> {
 protected:
  ModelCard card() const {
    auto card = read_model_card(golden_dir() / "vocab" / (std::string(GetParam()) + ".gguf"));
    EXPECT_TRUE(card.has_value());
    return card ? std::move(*card) : ModelCard();
  }
};

using ByteLevel = LongWords;

TEST_P(ByteLevel, MergeByRank) {
  QUERN_NEED_GOLDEN(golden_dir() / "vocab");
  const ModelCard file = card();
  const auto tokenizer = make_tokenizer(file, Log());
  ASSERT_TRUE(tokenizer.has_value());
  std::unordered_map<std::string, size_t> ranks;  // by "left right"
  const auto merges = file.strings("tokenizer.ggml.merges");
  ASSERT_TRUE(merges.has_value());
  for (const std::string_view merge : *merges) {
    ranks.emplace(merge, ranks.size());
  }
  const auto rank = [&](const std::string& left, const std::string& right) {
    const auto found = ranks.find(left + " " + right);
    return found == ranks.end() ? std::nullopt : std::optional(found->second);
  };
  for (const std::string& word : long_words()) {
    expect_same(**tokenizer, word, merge_in_order(characters(word), rank, join));
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, ByteLevel,
                         ::testing::Values("deepseek-coder", "deepseek-llm", "falcon", "gpt-2",
                                           "llama-bpe", "mpt", "qwen2", "refact", "starcoder"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

using SentencePiece = LongWords;

TEST_P(SentencePiece, MergeByScore) {
  QUERN_NEED_GOLDEN(golden_dir() / "vocab");
  const ModelCard file = card();
  const auto tokenizer = make_tokenizer(file, Log());
  ASSERT_TRUE(tokenizer.has_value());
  const auto texts = file.strings("tokenizer.ggml.tokens");
  const auto scores = file.f32s("tokenizer.ggml.scores");
  ASSERT_TRUE(texts.has_value() && scores.has_value());
  std::unordered_map<std::string, float> known;
  for (size_t i = 0; const std::string_view text : *texts) {
    const TokenType type = (*tokenizer)->type(TokenId{static_cast<int32_t>(i)});
    if (type == TokenType::normal || type == TokenType::user_defined) {
      known.emplace(text, -(*scores)[i]);
    }
    ++i;
  }
  const auto rank = [&](const std::string& left, const std::string& right) {
    const auto found = known.find(left + right);
    return found == known.end() ? std::nullopt : std::optional(found->second);
  };
  for (const std::string& word : long_words()) {
    Strings symbols = characters(word);
    symbols.insert(symbols.begin(), "\u2581");
    expect_same(**tokenizer, word, merge_in_order(symbols, rank, join));
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, SentencePiece, ::testing::Values("llama-spm", "phi-3"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace quern::test
