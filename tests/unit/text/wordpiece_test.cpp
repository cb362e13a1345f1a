#include <gtest/gtest.h>

#include "unit/text/vocab_maker.h"

namespace quern::test {
namespace {

std::unique_ptr<const Tokenizer> small_bert(bool lowercase = true) {
  VocabMaker maker(TokenizerKind::wordpiece);
  for (const char* text : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) {
    maker.add(text, TokenType::control);
  }
  for (const char* text :
       {"\u2581un", "aff", "able", "\u2581runn", "ing", "\u2581,", "\u2581hallo", "\u2581uber",
        "\u2581\u4e2d", "\u2581\u6587", "\u2581Hallo", "\u2581\u00fcber"}) {
    maker.add(text);
  }
  auto& spec = maker.spec();
  spec.special.unk = TokenId{1};
  spec.special.sep = TokenId{3};
  spec.special.pad = TokenId{0};
  spec.special.cls = TokenId{2};
  spec.special.mask = TokenId{4};
  spec.lowercase = lowercase;
  return maker.make();
}

// The example of BERT's reference WordpieceTokenizer, google-research/bert tokenization_test.py:
// "unwanted running" there; greedy longest match first, whole word unknown when a part is.
TEST(WordPiece, TakesTheLongestPiecesFromTheLeft) {
  const auto tokenizer = small_bert();
  EXPECT_EQ(*tokenizer->encode("unaffable running", {}), ids({5, 6, 7, 8, 9}));
  EXPECT_EQ(*tokenizer->encode("unaffablex running", {}), ids({1, 8, 9}));
}

// BasicTokenizer of the same reference: lower case, accents off, punctuation and Chinese characters
// alone, control characters dropped.
TEST(WordPiece, NormalisesAsTheReference) {
  const auto tokenizer = small_bert();
  EXPECT_EQ(*tokenizer->encode(" \tHaLLo, \n \u00dcber\u200b ", {}), ids({11, 10, 12}));
  EXPECT_EQ(*tokenizer->encode("\u4e2d\u6587", {}), ids({13, 14}));
  EXPECT_EQ(*tokenizer->encode("hal\x01lo", {}), ids({11}));
  EXPECT_EQ(*tokenizer->encode("hal\u00adlo", {}), ids({11}));
  EXPECT_EQ(*tokenizer->encode("u\u0308ber", {}), ids({12}));
  EXPECT_EQ(*tokenizer->encode("hallo\xFF", {}), ids({11}));
}

// The same reference: _is_whitespace takes category Zs, _is_punctuation every category P.
TEST(WordPiece, KnowsSpacesAndPunctuationBeyondAscii) {
  const auto tokenizer = small_bert();
  EXPECT_EQ(*tokenizer->encode("hallo\u00a0uber\u3000hallo", {}), ids({11, 12, 11}));
  for (const char* mark : {"\u203f", "\u2014", "\u300c", "\u300d", "\u00ab", "\u00bb", "\u00bf"}) {
    EXPECT_EQ(*tokenizer->encode(std::string("hallo") + mark + "uber", {}), ids({11, 1, 12}))
        << mark;
  }
}

TEST(WordPiece, KeepsCaseAndAccentsWhereTheFileSaysSo) {
  const auto tokenizer = small_bert(false);
  EXPECT_EQ(*tokenizer->encode("Hallo \u00fcber", {}), ids({15, 16}));
}

TEST(WordPiece, WrapsTheTextInClsAndSep) {
  const auto tokenizer = small_bert();
  EXPECT_EQ(*tokenizer->encode("hallo", {.add_special = true}), ids({2, 11, 3}));
  EXPECT_EQ(*tokenizer->encode("[MASK] hallo", {}), ids({4, 11}));
  EXPECT_EQ(tokenizer->decode(ids({11, 10}), {}), "hallo ,");
}

}  // namespace
}  // namespace quern::test
