#include <gtest/gtest.h>

#include <map>

#include "text/vocab_table.h"
#include "unit/text/vocab_maker.h"

namespace quern::test {
namespace {

// SentencePiece BPE as its paper and bpe_model.cc define it, without any index: again and again the
// neighbours whose joined text is the token of the best score are joined, the leftmost first.
std::vector<std::string> merge_slowly(const std::map<std::string, float>& scores,
                                      std::vector<std::string> symbols) {
  while (true) {
    size_t best = symbols.size();
    float best_score = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = scores.find(symbols[i] + symbols[i + 1]);
      if (found != scores.end() && (best == symbols.size() || found->second > best_score)) {
        best = i;
        best_score = found->second;
      }
    }
    if (best == symbols.size()) {
      return symbols;
    }
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

std::string spaced(std::string text) {
  std::string out;
  for (const char c : text) {
    out += c == ' ' ? std::string(kSpaceMark) : std::string(1, c);
  }
  return out;
}

// Random vocabularies over three characters, so that all ways of overlapping come up; with and
// without tokens that hold a space in the middle, which forbid cutting at spaces.
class SpmOracle : public ::testing::TestWithParam<bool> {};

TEST_P(SpmOracle, MergesLikeTheDefinition) {
  const bool with_joiners = GetParam();
  Random random(11);
  const auto word = [&](uint32_t n) {
    std::string made;
    for (; n > 0; --n) {
      made.push_back("ab "[random() % 3]);
    }
    return made;
  };
  for (int round = 0; round < 60; ++round) {
    VocabMaker maker(TokenizerKind::spm);
    maker.add_llama_start();
    maker.spec().add_space_prefix = false;
    std::map<std::string, float> scores;
    for (int i = 0; i < 14; ++i) {
      const std::string text = word(2 + random() % 4);
      const bool joins = text.find(' ', text.find_first_not_of(' ')) != std::string::npos &&
                         text.find_first_not_of(' ') != std::string::npos;
      if ((joins && !with_joiners) || scores.contains(spaced(text))) {
        continue;
      }
      // Few distinct scores, so that ties are common.
      const float score = -static_cast<float>(random() % 6);
      scores[spaced(text)] = score;
      maker.add(spaced(text), TokenType::normal, score);
    }
    const auto tokenizer = maker.make();
    // Beyond 2048 characters the merger uses its other queue.
    for (const uint32_t n : {1U, 7U, 40U, 300U, round % 20 == 0 ? 3000U : 60U}) {
      const std::string text = word(n);
      std::vector<std::string> symbols;
      for (const char c : text) {
        symbols.push_back(spaced(std::string(1, c)));
      }
      std::string want;
      for (const std::string& piece : merge_slowly(scores, symbols)) {
        if (scores.contains(piece)) {
          want += fmt::format("{} ", value(tokenizer->find(piece)));
        } else {
          for (const char c : piece) {
            want += fmt::format("{} ", 3 + static_cast<int>(static_cast<uint8_t>(c)));
          }
        }
      }
      std::string got;
      const auto encoded = tokenizer->encode(text, {});
      for (const TokenId id : *encoded) {
        got += fmt::format("{} ", value(id));
      }
      EXPECT_EQ(got, want) << "'" << text << "'";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, SpmOracle, ::testing::Bool());

std::unique_ptr<const Tokenizer> small_llama(bool space_prefix = true) {
  VocabMaker maker(TokenizerKind::spm);
  maker.add_llama_start();
  for (const char* text : {"\u2581", "a", "b", "\u2581a", "\u2581b", "<s", ">"}) {
    maker.add(text, TokenType::normal, -1);
  }
  maker.add("<usr>", TokenType::user_defined);
  maker.spec().add_space_prefix = space_prefix;
  return maker.make();
}

// llama.cpp v0.5.0's rule: a space before the text and after every special token.
TEST(Spm, PutsASpaceAtTheStartAndAfterSpecialTokens) {
  const auto tokenizer = small_llama();
  EXPECT_EQ(pieces(*tokenizer, "a"), " a");
  EXPECT_EQ(pieces(*tokenizer, "a</s>b"), " a|</s>| b");
  EXPECT_EQ(pieces(*tokenizer, "</s></s>a"), "</s>|</s>| a");
  EXPECT_EQ(pieces(*tokenizer, "a<usr>b"), " a|<usr>| b");
  EXPECT_EQ(pieces(*tokenizer, ""), "");
  EXPECT_EQ(pieces(*tokenizer, "a", {.add_special = true}), "<s>| a");
}

TEST(Spm, PutsNoSpaceWhereTheFileSaysSo) {
  const auto tokenizer = small_llama(false);
  EXPECT_EQ(pieces(*tokenizer, "a</s>b"), "a|</s>|b");
  EXPECT_FALSE(tokenizer->strips_leading_space());
}

// SentencePiece never makes a control symbol from plain text; "<s" and ">" would join to it.
TEST(Spm, PlainTextNeverBecomesAControlToken) {
  const auto tokenizer = small_llama(false);
  EXPECT_EQ(pieces(*tokenizer, "<s>", {.parse_special = false}), "<s|>");
  EXPECT_EQ(pieces(*tokenizer, "<s>", {.parse_special = true}), "<s>");
}

TEST(Spm, DecodeGivesBackEveryByte) {
  const auto tokenizer = small_llama();
  std::string all_bytes;
  for (int byte = 0; byte < 256; ++byte) {
    all_bytes.push_back(static_cast<char>(byte));
  }
  for (const std::string& text :
       {std::string("a b"), std::string(" a"), std::string("  a  "), std::string("a</s> b"),
        std::string("a</s>b"), std::string(" </s> "), std::string("\xE2\x96"), all_bytes}) {
    EXPECT_EQ(tokenizer->decode(*tokenizer->encode(text, {}), {}), text);
  }
}

TEST(Spm, BytesWithoutAByteTokenBecomeUnknown) {
  VocabMaker maker(TokenizerKind::spm);
  maker.add("<unk>", TokenType::unknown);
  maker.add("<s>", TokenType::control);
  maker.add("</s>", TokenType::control);
  maker.add("a");
  maker.spec().add_space_prefix = false;
  const auto tokenizer = maker.make();
  EXPECT_EQ(*tokenizer->encode("a\u00e9", {}), ids({3, 0, 0}));
}

// Old converters wrote no types; the byte tokens are known by their texts then.
TEST(Spm, FindsByteTokensInAFileWithoutTypes) {
  VocabMaker maker(TokenizerKind::spm);
  maker.add_llama_start();
  maker.add("\u2581");
  maker.spec().types.clear();
  const auto tokenizer = maker.make();
  EXPECT_EQ(tokenizer->type(TokenId{3}), TokenType::byte);
  EXPECT_EQ(tokenizer->decode(*tokenizer->encode("x\n", {}), {}), "x\n");
}

}  // namespace
}  // namespace quern::test
