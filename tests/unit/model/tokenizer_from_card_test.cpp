#include "model/tokenizer_from_card.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "gguf/reader.h"
#include "gguf/writer.h"

namespace quern {
namespace {

// A file with a small "llama" vocabulary, and whatever `more` adds.
class CardMaker {
 public:
  explicit CardMaker(std::string_view model = "llama") {
    add("general.architecture", MetaValue::string("llama"));
    add("tokenizer.ggml.model", MetaValue::string(model));
    add("tokenizer.ggml.tokens",
        MetaValue::strings({"<unk>", "<s>", "</s>", "a", "<|end|>", "<|user|>", "<mask>"}));
    add("tokenizer.ggml.token_type",
        MetaValue::numbers(MetaType::i32, std::as_bytes(std::span(kTypes))));
    add("tokenizer.ggml.add_space_prefix", MetaValue::boolean(false));
  }
  void add(std::string_view key, const MetaValue& value) {
    EXPECT_TRUE(writer_.add(key, value).has_value());
  }
  ModelCard make() const {
    std::vector<std::byte> bytes;
    EXPECT_TRUE(writer_
                    .write([&](ByteSpan part) -> Status {
                      bytes.insert(bytes.end(), part.begin(), part.end());
                      return {};
                    })
                    .has_value());
    auto card = parse_model_card(bytes, bytes.size());
    EXPECT_TRUE(card.has_value());
    return std::move(*card);
  }

 private:
  static constexpr int32_t kTypes[] = {2, 3, 3, 1, 3, 3, 3};
  GgufWriter writer_;
};

std::vector<int32_t> encode(const ModelCard& card, std::string_view text) {
  const auto tokenizer = make_tokenizer(card, Log());
  EXPECT_TRUE(tokenizer.has_value()) << tokenizer.error().to_string();
  std::vector<int32_t> numbers;
  const auto ids = (*tokenizer)->encode(text, {});
  for (const TokenId id : *ids) {
    numbers.push_back(value(id));
  }
  return numbers;
}

TEST(TokenizerFromCard, RefusesAnUnknownKindByNameWithTheKnownOnes) {
  const auto made = make_tokenizer(CardMaker("rwkv").make(), Log());
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().kind, ErrorKind::unsupported);
  EXPECT_EQ(made.error().to_string(),
            "[tokenizer] tokenizer.ggml.model is 'rwkv'; expected one of gpt2, llama, bert, t5, "
            "gemma4");
}

TEST(TokenizerFromCard, ReadsWhatTheFileSays) {
  CardMaker maker;
  maker.add("tokenizer.ggml.bos_token_id", MetaValue::u32(5));
  maker.add("tokenizer.ggml.padding_token_id", MetaValue::u32(UINT32_MAX));  // none
  maker.add("tokenizer.ggml.add_eos_token", MetaValue::boolean(true));
  const auto made = make_tokenizer(maker.make(), Log());
  ASSERT_TRUE(made.has_value()) << made.error().to_string();
  EXPECT_EQ((*made)->special().bos, TokenId{5});
  EXPECT_FALSE((*made)->special().pad.has_value());
  EXPECT_EQ(*(*made)->encode("a", {.add_special = true}),
            (std::vector<TokenId>{TokenId{5}, TokenId{3}, TokenId{2}}));
  EXPECT_FALSE((*made)->strips_leading_space());
}

TEST(TokenizerFromCard, NeedsAVocabulary) {
  const GgufWriter empty;
  std::vector<std::byte> bytes;
  ASSERT_TRUE(empty
                  .write([&](ByteSpan part) -> Status {
                    bytes.insert(bytes.end(), part.begin(), part.end());
                    return {};
                  })
                  .has_value());
  const auto card = parse_model_card(bytes, bytes.size());
  ASSERT_TRUE(card.has_value());
  const auto made = make_tokenizer(*card, Log());
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().to_string(),
            "[tokenizer] the file has no tokenizer.ggml.model; expected a model with a vocabulary");
}

// llama.cpp v0.5.0: every id of the list ends an answer; -1 is none.
TEST(TokenizerFromCard, AListOfEndsIsReadWhole) {
  static constexpr int32_t kEnds[] = {4, -1, 6};
  CardMaker maker;
  maker.add("tokenizer.ggml.eos_token_id", MetaValue::u32(2));
  maker.add("tokenizer.ggml.eos_token_ids",
            MetaValue::numbers(MetaType::i32, std::as_bytes(std::span(kEnds))));
  const auto made = make_tokenizer(maker.make(), Log());
  ASSERT_TRUE(made.has_value()) << made.error().to_string();
  std::vector<int32_t> ends;
  for (int32_t id = 0; id < 7; ++id) {
    if ((*made)->is_end_of_generation(TokenId{id})) {
      ends.push_back(id);
    }
  }
  EXPECT_TRUE(std::ranges::includes(ends, std::vector<int32_t>{2, 4, 6}));
  EXPECT_FALSE((*made)->is_end_of_generation(TokenId{3}));
}

TEST(TokenizerFromCard, RefusesIdsOutOfRange) {
  for (const uint64_t id : {uint64_t{7}, uint64_t{1} << 32, uint64_t{1} << 63}) {
    CardMaker maker;
    maker.add("tokenizer.ggml.eos_token_id", MetaValue::u64(id));
    const bool made = make_tokenizer(maker.make(), Log()).has_value();
    // Beyond 63 bits the value fits no integer that the card hands out, so it counts as absent;
    // reading a file refuses it earlier (validate_card).
    EXPECT_EQ(made, id == uint64_t{1} << 63) << id;
  }
}

// llama.cpp v0.5.0: in models named phi-3, special tokens but <unk>, <s> and <|endoftext|> swallow
// the white space after them.
TEST(TokenizerFromCard, StripsAfterSpecialTokensOfPhi3) {
  EXPECT_EQ(encode(CardMaker().make(), "<|end|>\na"), (std::vector<int32_t>{4, 0, 3}));
  CardMaker phi;
  phi.add("general.name", MetaValue::string("Phi-3 mini"));
  EXPECT_EQ(encode(phi.make(), "<|end|>\na"), (std::vector<int32_t>{4, 3}));
  EXPECT_EQ(encode(phi.make(), "<s>\na"), (std::vector<int32_t>{1, 0, 3}));
}

// llama.cpp v0.5.0: <mask> of these families swallows the white space before it.
TEST(TokenizerFromCard, StripsBeforeTheMaskOfJina) {
  CardMaker jina;
  jina.add("tokenizer.ggml.pre", MetaValue::string("jina-v2-code"));
  EXPECT_EQ(encode(jina.make(), "a\n<mask>"), (std::vector<int32_t>{3, 6}));
}

}  // namespace
}  // namespace quern
