#include "text/bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <thread>

#include "text/pretokenizer.h"
#include "text/unicode.h"

namespace quern {
namespace {

using testing::HasSubstr;
using Ids = std::vector<int32_t>;

// A small vocabulary whose strings live as long as it does.
struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<std::string> merges;
  std::vector<TokenType> types;
  std::string pre = "gpt-2";

  VocabSpec spec() const {
    VocabSpec spec;
    spec.pre = pre;
    spec.tokens.assign(tokens.begin(), tokens.end());
    spec.merges.assign(merges.begin(), merges.end());
    spec.types = types;
    return spec;
  }
};

// bytes_to_unicode of GPT-2's published encoder.py, as it is written there.
std::vector<std::string> gpt2_byte_characters() {
  std::vector<uint32_t> own;
  for (uint32_t c = '!'; c <= '~'; ++c) {
    own.push_back(c);
  }
  for (uint32_t c = 0xA1; c <= 0xAC; ++c) {
    own.push_back(c);
  }
  for (uint32_t c = 0xAE; c <= 0xFF; ++c) {
    own.push_back(c);
  }
  std::vector<std::string> characters(256);
  uint32_t n = 0;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool is_own = std::ranges::find(own, byte) != own.end();
    append_utf8(is_own ? byte : 256 + n++, characters[byte]);
  }
  return characters;
}

// Ids 0..255 are the bytes; then a few words.
Vocabulary bytes_and_words() {
  Vocabulary vocabulary;
  vocabulary.tokens = gpt2_byte_characters();
  for (const char* word : {"ab", "abc", "Ġab", "bc", "xyz", "Ġa"}) {
    vocabulary.tokens.emplace_back(word);
  }
  vocabulary.merges = {"a b", "ab c", "Ġ ab"};
  return vocabulary;
}

constexpr int32_t kAb = 256;
constexpr int32_t kAbc = 257;
constexpr int32_t kSpaceAb = 258;
constexpr int32_t kXyz = 260;

std::unique_ptr<const WordModel> make(const Vocabulary& vocabulary) {
  auto model = make_bpe_model(vocabulary.spec(), Log());
  EXPECT_TRUE(model.has_value());
  return model ? std::move(*model) : nullptr;
}

Ids encode(const WordModel& model, std::string_view text) {
  std::vector<TokenId> out;
  model.encode(text, {}, out);
  Ids ids;
  for (const TokenId id : out) {
    ids.push_back(value(id));
  }
  return ids;
}

TEST(Bpe, KeepsEveryByteWhenEachIsAToken) {
  Vocabulary vocabulary = bytes_and_words();
  EXPECT_TRUE(make(vocabulary)->keeps_every_byte());
  vocabulary.tokens[0] = "a word instead of a byte";
  EXPECT_FALSE(make(vocabulary)->keeps_every_byte());
}

TEST(ByteLevel, EveryByteComesBackFromItsPublishedCharacter) {
  const std::vector<std::string> characters = gpt2_byte_characters();
  for (size_t byte = 0; byte < 256; ++byte) {
    EXPECT_EQ(decode_byte_level(characters[byte]), std::string(1, static_cast<char>(byte)));
  }
  EXPECT_EQ(decode_byte_level("ĠHelloĊÃ©"), " Hello\n\u00E9");
}

TEST(ByteLevel, ATextWithOtherCharactersStandsForItself) {
  EXPECT_EQ(decode_byte_level("<｜begin｜>"), "<｜begin｜>");
  EXPECT_EQ(decode_byte_level("a b"), "a b");
  EXPECT_EQ(decode_byte_level("\xFF"), "\xFF");
  EXPECT_EQ(decode_byte_level(""), "");
}

TEST(Bpe, MergesByRankWithinPieces) {
  const auto model = make(bytes_and_words());
  EXPECT_EQ(encode(*model, "abc"), Ids{kAbc});
  EXPECT_EQ(encode(*model, "abab"), (Ids{kAb, kAb}));
  EXPECT_EQ(encode(*model, "ab ab"), (Ids{kAb, kSpaceAb}));
  EXPECT_EQ(encode(*model, "bca"), (Ids{'b', 'c', 'a'}));
  EXPECT_EQ(encode(*model, ""), Ids{});
}

TEST(Bpe, ATokenThatNoMergeReachesIsNotUsed) {
  const auto model = make(bytes_and_words());
  EXPECT_EQ(encode(*model, "xyz xyz"), (Ids{'x', 'y', 'z', ' ', 'x', 'y', 'z'}));
}

TEST(Bpe, IgnoreMergesTakesAWholePieceThatIsAToken) {
  Vocabulary vocabulary = bytes_and_words();
  vocabulary.pre = "llama-bpe";
  const auto model = make(vocabulary);
  EXPECT_EQ(encode(*model, "xyz"), Ids{kXyz});
  EXPECT_EQ(encode(*model, "xyzx"), (Ids{'x', 'y', 'z', 'x'}));
}

TEST(Bpe, SpecialTokensAreNotWords) {
  Vocabulary vocabulary = bytes_and_words();
  vocabulary.pre = "llama-bpe";
  vocabulary.types.assign(vocabulary.tokens.size(), TokenType::normal);
  vocabulary.types[kXyz] = TokenType::control;
  EXPECT_EQ(encode(*make(vocabulary), "xyz"), (Ids{'x', 'y', 'z'}));
}

TEST(Bpe, EveryByteOfIllFormedTextIsKept) {
  const auto model = make(bytes_and_words());
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::string text;
    Ids want;
    for (int i = 0; i < 50; ++i) {
      // Without 'b', 'c' and the space no merge of this vocabulary applies.
      const auto byte = std::uniform_int_distribution<int>(128, 255)(random);
      text += static_cast<char>(byte);
      want.push_back(byte);
    }
    EXPECT_EQ(encode(*model, text), want);
  }
}

TEST(Bpe, AUserDefinedCharacterIsNotTheByteItLooksLike) {
  Vocabulary vocabulary = bytes_and_words();
  vocabulary.types.assign(vocabulary.tokens.size(), TokenType::normal);
  vocabulary.types[0xFA] = TokenType::user_defined;
  const auto model = make(vocabulary);
  EXPECT_EQ(encode(*model,
                   "a\xFA"
                   "a"),
            (Ids{'a', 'a'}));
}

TEST(Bpe, LongTextsGiveWhatTheirPiecesGive) {
  const Vocabulary vocabulary = bytes_and_words();
  const auto model = make(vocabulary);
  std::mt19937 random(2);
  std::string text;
  while (text.size() < 100000) {
    const size_t n = std::uniform_int_distribution<size_t>(1, 60)(random);
    text += ' ';
    for (size_t i = 0; i < n; ++i) {
      text += "abcd"[std::uniform_int_distribution<size_t>(0, 3)(random)];
    }
    if (n % 7 == 0) {
      text += " abdabcabc abdabcabc";
    }
  }
  const auto pre = resolve_pre(vocabulary.pre, false, Log());
  Ids want;
  for (const std::string_view piece : split_pieces(**pre, text)) {
    const Ids ids = encode(*model, piece);
    want.insert(want.end(), ids.begin(), ids.end());
  }
  EXPECT_EQ(encode(*model, text), want);
}

TEST(Bpe, ThreadsShareAModel) {
  const auto model = make(bytes_and_words());
  std::string text;
  for (int i = 0; i < 2000; ++i) {
    text += i % 3 == 0 ? " abcab" : (i % 3 == 1 ? " xyz" : " ab abc");
  }
  const Ids want = encode(*make(bytes_and_words()), text);
  std::vector<Ids> got(4);
  {
    std::vector<std::jthread> threads;
    for (Ids& ids : got) {
      threads.emplace_back([&] { ids = encode(*model, text); });
    }
  }
  for (const Ids& ids : got) {
    EXPECT_EQ(ids, want);
  }
}

TEST(Bpe, RawUtf8EscapesSpacesAndFallsBackToBytes) {
  Vocabulary vocabulary;
  vocabulary.pre = "gemma4";
  vocabulary.tokens = {"a", "b", "▁", "▁a", "\n", "\n\n", "<0xC3>", "<0xA9>", "ab", "é́"};
  vocabulary.merges = {"▁ a", "a b"};
  const auto model = make(vocabulary);
  EXPECT_EQ(encode(*model, "b ab"), (Ids{1, 3, 1}));
  EXPECT_EQ(encode(*model, "ab\u00E9"), (Ids{8, 6, 7}));
  // No merge makes two newlines; a run of them that is a token is taken whole.
  EXPECT_EQ(encode(*model, "a\n\nb\n"), (Ids{0, 5, 1, 4}));
}

TEST(Bpe, BrokenSpecsAreRefusedInOneLine) {
  Vocabulary vocabulary = bytes_and_words();
  vocabulary.merges.emplace_back("ab");
  const auto no_space = make_bpe_model(vocabulary.spec(), Log());
  ASSERT_FALSE(no_space.has_value());
  EXPECT_EQ(no_space.error().to_string(),
            "[tokenizer] a merge without a space; expected \"left right\"");

  vocabulary = bytes_and_words();
  vocabulary.types.assign(3, TokenType::normal);
  const auto types = make_bpe_model(vocabulary.spec(), Log());
  ASSERT_FALSE(types.has_value());
  EXPECT_THAT(types.error().to_string(), HasSubstr("3 token types for 262 tokens"));
}

TEST(Bpe, MergesOfUnknownTokensAreLeftOutWithAWarning) {
  Vocabulary vocabulary = bytes_and_words();
  vocabulary.merges.insert(vocabulary.merges.begin(), "b a");
  std::string lines;
  const Log log([&](LogLevel, std::string_view line) { lines += line; });
  const auto model = make_bpe_model(vocabulary.spec(), log);
  ASSERT_TRUE(model.has_value());
  EXPECT_THAT(lines, HasSubstr("1 of 4 merges"));
  EXPECT_EQ(encode(**model, "bab"), (Ids{'b', kAb}));
}

TEST(Pre, AMissingNameIsDefaultWithAWarning) {
  std::string lines;
  const Log log([&](LogLevel, std::string_view line) { lines += line; });
  const auto pre = resolve_pre("", false, log);
  ASSERT_TRUE(pre.has_value());
  EXPECT_EQ((*pre)->name, "default");
  EXPECT_THAT(lines, HasSubstr("tokenizer.ggml.pre"));
}

TEST(Pre, AnUnknownNameListsTheKnownOnesUnlessAllowed) {
  const auto refused = resolve_pre("nonsense\n", false, Log());
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().to_string(), HasSubstr("unknown pre-tokenizer 'nonsense\\x0a'"));
  for (const std::string_view name : known_pre_names()) {
    EXPECT_THAT(refused.error().to_string(), HasSubstr(std::string(name)));
  }
  std::string lines;
  const Log log([&](LogLevel, std::string_view line) { lines += line; });
  const auto allowed = resolve_pre("nonsense", true, log);
  ASSERT_TRUE(allowed.has_value());
  EXPECT_EQ((*allowed)->name, "default");
  EXPECT_THAT(lines, HasSubstr("nonsense"));
}

TEST(Pre, NamesAreUniqueAndAliasesShareTheirFamily) {
  const auto names = known_pre_names();
  EXPECT_EQ(std::set(names.begin(), names.end()).size(), names.size());
  const auto get = [](std::string_view name) { return *resolve_pre(name, false, Log()); };
  for (const char* alias : {"llama3", "llama-v3", "llama-bpe", "falcon3", "lfm2"}) {
    EXPECT_EQ(get(alias)->canonical, "llama3");
    EXPECT_TRUE(get(alias)->ignore_merges && get(alias)->add_bos);
  }
  EXPECT_TRUE(get("jina-v1-en")->add_sep);
  EXPECT_TRUE(get("glm4")->no_bos);
  EXPECT_FALSE(get("gemma4")->byte_level);
}

// Cuts that PyPI's tokenizers 0.23.3 makes with the models' published expressions.
TEST(Pre, CutsAsHuggingFaceTokenizersDoes) {
  const auto cut = [](std::string_view name, std::string_view text) {
    return split_pieces(**resolve_pre(name, false, Log()), text);
  };
  using Pieces = std::vector<std::string_view>;
  EXPECT_EQ(cut("llama-bpe", "'ſtop 'Stop"), (Pieces{"'ſ", "top", " '", "Stop"}));
  EXPECT_EQ(cut("llama-bpe", "a\u0085\u0085b"), (Pieces{"a", "\u0085", "\u0085b"}));
  EXPECT_EQ(cut("superbpe", "1234567"), (Pieces{"1", "234", "567"}));
  EXPECT_EQ(cut("tiny_aya", "1234567"), (Pieces{"1", "234", "567"}));
  EXPECT_EQ(cut("tiny_aya", "12\u00BD"), (Pieces{"12\u00BD"}));
}

}  // namespace
}  // namespace quern
