#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "unit/text/vocab_maker.h"

namespace quern::test {
namespace {

VocabMaker llama() {
  VocabMaker maker(TokenizerKind::spm);
  maker.add_llama_start();
  return maker;
}

std::string error_of(VocabMaker& maker) {
  const auto made = Tokenizer::create(maker.spec(), Log());
  return made ? "" : made.error().to_string();
}

TEST(TokenizerCreate, RefusesCountsThatDoNotFit) {
  VocabMaker empty(TokenizerKind::spm);
  EXPECT_NE(error_of(empty).find("0 tokens"), std::string::npos);
  VocabMaker scores = llama();
  scores.spec().scores.pop_back();
  EXPECT_NE(error_of(scores).find("258 scores for 259 tokens"), std::string::npos);
  VocabMaker types = llama();
  types.spec().types.push_back(TokenType::normal);
  EXPECT_NE(error_of(types).find("260 token types"), std::string::npos);
}

TEST(TokenizerCreate, RefusesWrongByteTokens) {
  for (const char* text : {"<0x-1>", "<0xZZ>", "<0x1>", "<0x123>", "0x41", "<0X41>", ""}) {
    VocabMaker maker = llama();
    maker.add(text, TokenType::byte);
    EXPECT_NE(error_of(maker).find("byte token 259"), std::string::npos) << text;
  }
}

TEST(TokenizerCreate, RefusesDuplicatesAndScoresThatAreNoNumbers) {
  VocabMaker twice = llama();
  twice.add("x");
  twice.add("x");
  EXPECT_NE(error_of(twice).find("tokens 259 and 260 have the same text 'x'"), std::string::npos);
  VocabMaker nan = llama();
  nan.add("x", TokenType::normal, std::nanf(""));
  EXPECT_NE(error_of(nan).find("score of token 259"), std::string::npos);
}

TEST(TokenizerCreate, AllowsHolesInTheVocabulary) {
  VocabMaker maker = llama();
  maker.add("");
  maker.add("");
  EXPECT_EQ(maker.make()->token_bytes(TokenId{260}), "");
}

TEST(TokenizerCreate, RefusesSpecialIdsOutOfRange) {
  for (const int32_t id : {-1, 259, INT32_MAX}) {
    VocabMaker maker = llama();
    maker.spec().special.eos = TokenId{id};
    EXPECT_NE(error_of(maker).find("the eos token has id"), std::string::npos) << id;
    VocabMaker ends = llama();
    ends.spec().special.end_of_generation = {TokenId{id}};
    EXPECT_NE(error_of(ends).find("end-of-generation"), std::string::npos) << id;
  }
}

TEST(TokenizerCreate, RefusesAnOverlongToken) {
  VocabMaker maker = llama();
  maker.add(std::string(70000, 'x'));
  EXPECT_NE(error_of(maker).find("70000 bytes"), std::string::npos);
}

// llama.cpp v0.5.0's defaults for "llama" vocabularies, and its list of well-known texts.
TEST(TokenizerSpecial, CompletesWhatTheFileLeavesOut) {
  VocabMaker maker = llama();
  const TokenId im_end = maker.add("<|im_end|>");
  const TokenId eom = maker.add("<|eom_id|>");
  const TokenId pad = maker.add("<|fim_pad|>");
  const TokenId plain = maker.add("<|im_start|>", TokenType::control);
  const auto tokenizer = maker.make();
  EXPECT_EQ(tokenizer->special().bos, TokenId{1});
  EXPECT_EQ(tokenizer->special().eos, TokenId{2});
  EXPECT_EQ(tokenizer->special().eot, im_end);
  EXPECT_EQ(tokenizer->special().eom, eom);
  for (const TokenId id : {TokenId{2}, im_end, eom, pad}) {
    EXPECT_TRUE(tokenizer->is_end_of_generation(id)) << value(id);
    EXPECT_EQ(tokenizer->type(id), TokenType::control);
  }
  EXPECT_FALSE(tokenizer->is_end_of_generation(plain));
  EXPECT_FALSE(tokenizer->is_end_of_generation(TokenId{1}));
}

// llama.cpp v0.5.0: with <|return|> and <|call|> in the vocabulary, <|end|> ends no answer.
TEST(TokenizerSpecial, EndOfAMessageIsNoEndOfAnAnswerInHarmony) {
  VocabMaker maker = llama();
  const TokenId end = maker.add("<|end|>", TokenType::control);
  maker.add("<|return|>", TokenType::control);
  maker.add("<|call|>", TokenType::control);
  const TokenId channel = maker.add("<|channel|>", TokenType::control);
  const auto tokenizer = maker.make();
  EXPECT_FALSE(tokenizer->is_end_of_generation(end));
  EXPECT_EQ(tokenizer->type(channel), TokenType::user_defined);
}

TEST(TokenizerEncode, AddsWhatTheFlagsSay) {
  VocabMaker maker = llama();
  maker.spec().add_bos = false;
  maker.spec().add_eos = true;
  const auto tokenizer = maker.make();
  EXPECT_EQ(*tokenizer->encode("", {.add_special = true}), ids({2}));
  EXPECT_EQ(*tokenizer->encode("", {}), ids({}));
  EXPECT_FALSE(tokenizer->adds_bos());
}

TEST(TokenizerEncode, WarnsAndAddsNothingWhenTheTokenIsMissing) {
  VocabMaker maker(TokenizerKind::unigram);
  maker.add("a");
  maker.spec().add_bos = true;
  std::vector<std::string> warnings;
  const Log log([&](LogLevel, std::string_view line) { warnings.emplace_back(line); });
  const auto tokenizer = Tokenizer::create(maker.spec(), log);
  ASSERT_TRUE(tokenizer.has_value());
  EXPECT_FALSE((*tokenizer)->adds_bos());
  EXPECT_EQ(warnings.size(), 2U);  // neither a start nor an end
}

TEST(TokenizerEncode, TakesTheLongestOfOverlappingSpecialTokens) {
  VocabMaker maker = llama();
  maker.spec().add_space_prefix = false;
  maker.add("<|a|>", TokenType::control);
  maker.add("<|a|>x", TokenType::control);
  const auto tokenizer = maker.make();
  EXPECT_EQ(*tokenizer->encode("<|a|>x<|a|>", {}), ids({260, 259}));
}

TEST(TokenizerEncode, HonoursStripRules) {
  VocabMaker maker = llama();
  maker.spec().add_space_prefix = false;
  const TokenId end = maker.add("<|end|>", TokenType::control);
  const TokenId mask = maker.add("<mask>", TokenType::control);
  maker.spec().rstrip = {end};
  maker.spec().lstrip = {mask};
  const auto tokenizer = maker.make();
  const TokenId a{3 + 'a'};
  EXPECT_EQ(*tokenizer->encode("<|end|> \n a", {}), (std::vector<TokenId>{end, a}));
  EXPECT_EQ(*tokenizer->encode("a \n<mask>", {}), (std::vector<TokenId>{a, mask}));
}

TEST(TokenizerLeastTokens, IsReachedByATextOfTheLongestTokenAlone) {
  VocabMaker maker = llama();
  maker.spec().add_space_prefix = false;
  const std::string longest = "<|ten_byte|>";
  maker.add(longest, TokenType::control);
  const auto tokenizer = maker.make();
  std::string text;
  for (size_t n = 0; n < 5; ++n) {
    EXPECT_EQ(tokenizer->least_tokens(text.size()), n);
    EXPECT_EQ(tokenizer->encode(text, {})->size(), n);
    EXPECT_EQ(tokenizer->least_tokens(text.size() + 1), n + 1);
    text += longest;
  }
}

TEST(TokenizerLeastTokens, KnowsThatASpaceMarkMayStandInTheTextItself) {
  VocabMaker maker = llama();
  maker.spec().add_space_prefix = false;
  const std::string mark = "\xE2\x96\x81";  // U+2581 in UTF-8
  maker.add(mark);
  maker.add(mark + mark, TokenType::normal, 1);
  maker.add(mark + mark + mark + mark, TokenType::normal, 2);
  const auto tokenizer = maker.make();
  const std::string text = mark + mark + mark + mark;
  EXPECT_EQ(tokenizer->encode(text, {})->size(), 1U);
  EXPECT_EQ(tokenizer->least_tokens(text.size()), 1U);
}

TEST(TokenizerLeastTokens, IsNothingWhereTextMayBeLost) {
  VocabMaker strips = llama();
  strips.spec().rstrip = {strips.add("<|end|>", TokenType::control)};
  EXPECT_EQ(strips.make()->least_tokens(1'000'000), 0U);
  VocabMaker wordpiece(TokenizerKind::wordpiece);
  wordpiece.add("[UNK]", TokenType::unknown);
  wordpiece.add("a");
  EXPECT_EQ(wordpiece.make()->least_tokens(1'000'000), 0U);
  VocabMaker unigram(TokenizerKind::unigram);
  unigram.add("<unk>", TokenType::unknown);
  unigram.add("a");
  EXPECT_EQ(unigram.make()->least_tokens(1'000'000), 0U);
}

TEST(TokenizerDecode, LeavesControlTokensOutWhenAsked) {
  const auto tokenizer = llama().make();
  EXPECT_EQ(tokenizer->decode(ids({1, 3 + 'a', 2}), {.skip_special = true}), "a");
  EXPECT_EQ(tokenizer->decode(ids({1, 3 + 'a', 2}), {}), "<s>a</s>");
}

}  // namespace
}  // namespace quern::test
