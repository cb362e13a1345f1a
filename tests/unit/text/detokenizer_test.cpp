#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include "unit/text/vocab_maker.h"

namespace quern::test {
namespace {

// Byte tokens 3 to 258, so that any text can be cut anywhere.
std::unique_ptr<const Tokenizer> bytes_vocabulary() {
  VocabMaker maker(TokenizerKind::spm);
  maker.add_llama_start();
  maker.add("\u2581Hi");
  return maker.make();
}

TokenId byte_token(char c) {
  return TokenId{3 + static_cast<int32_t>(static_cast<uint8_t>(c))};
}

struct Shown {
  std::vector<std::string> chunks;
  std::string text;
  std::optional<size_t> stop;
};

// Pushes `text` byte by byte.
Shown run(const Tokenizer& tokenizer, std::string_view text, std::vector<std::string> stop = {}) {
  Detokenizer detokenizer(tokenizer, {.stop = std::move(stop)});
  Shown result;
  const auto take = [&](const Detokenizer::Chunk& chunk) {
    result.chunks.push_back(chunk.text);
    result.text += chunk.text;
    result.stop = chunk.stop;
  };
  for (const char c : text) {
    take(detokenizer.push(byte_token(c)));
  }
  take(detokenizer.flush());
  return result;
}

TEST(Detokenizer, EmitsWholeCharactersOnly) {
  const auto tokenizer = bytes_vocabulary();
  const Shown result = run(*tokenizer, "a\u00e9\u20ac\U0001F600");
  EXPECT_EQ(result.chunks, (std::vector<std::string>{"a", "", "\u00e9", "", "", "\u20ac", "", "",
                                                     "", "\U0001F600", ""}));
}

// Expected: the examples of Unicode 15, section 3.9, table 3-8 and U+FFFD substitution of maximal
// subparts.
TEST(Detokenizer, ReplacesWhatCanNoLongerBecomeACharacter) {
  const auto tokenizer = bytes_vocabulary();
  const std::string r = "\uFFFD";
  EXPECT_EQ(run(*tokenizer,
                "\xC0\xAF\xE0\x80\xBF\xF0\x81\x82"
                "A")
                .text,
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(run(*tokenizer,
                "\xED\xA0\x80\xED\xBF\xBF\xED\xAF"
                "A")
                .text,
            r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(run(*tokenizer,
                "\xF4\x91\x92\x93\xFF"
                "A\x80\xBF"
                "B")
                .text,
            r + r + r + r + r + "A" + r + r + "B");
  EXPECT_EQ(run(*tokenizer,
                "\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
                "A")
                .text,
            r + r + r + r + "A");
}

TEST(Detokenizer, ReplacesAnUnfinishedCharacterAtTheEnd) {
  const auto tokenizer = bytes_vocabulary();
  EXPECT_EQ(run(*tokenizer, "a\xF0\x9F\x98").text, "a\uFFFD");
}

// As vLLM's min_tokens: a stop string that one of the first tokens completes is text like any.
TEST(Detokenizer, FindsStopStringsAfterTheFirstTokensOnly) {
  const auto tokenizer = bytes_vocabulary();
  const auto shown = [&](std::string_view text, uint64_t min_tokens) {
    Detokenizer detokenizer(*tokenizer, {.stop = {"##"}, .min_tokens = min_tokens});
    std::string all;
    for (const char c : text) {
      all += detokenizer.push(byte_token(c)).text;
    }
    return all + detokenizer.flush().text + (detokenizer.stopped() ? "|" : "");
  };
  EXPECT_EQ(shown("a##b##c", 0), "a|");
  EXPECT_EQ(shown("a##b##c", 2), "a|");
  EXPECT_EQ(shown("a##b##c", 3), "a##b|");
  EXPECT_EQ(shown("a###c", 3), "a#|") << "the one that the fourth token ends";
  EXPECT_EQ(shown("a##b", 9), "a##b");
}

TEST(Detokenizer, CutsTheTextBeforeAStopStringThatCrossesTokens) {
  const auto tokenizer = bytes_vocabulary();
  const Shown result = run(*tokenizer, "one###two", {"zzz", "###"});
  EXPECT_EQ(result.text, "one");
  EXPECT_EQ(result.stop, 1U);
}

TEST(Detokenizer, ReleasesHeldTextWhenItCanNoLongerMatch) {
  const auto tokenizer = bytes_vocabulary();
  const Shown result = run(*tokenizer, "a##b", {"###"});
  EXPECT_EQ(result.chunks, (std::vector<std::string>{"a", "", "", "##b", ""}));
  EXPECT_FALSE(result.stop.has_value());
  EXPECT_EQ(run(*tokenizer, "a##", {"###"}).text, "a##");
}

// "aab" in "aaab": a matcher that starts over after a mismatch would miss it.
TEST(Detokenizer, FindsAStopStringThatOverlapsItself) {
  const auto tokenizer = bytes_vocabulary();
  EXPECT_EQ(run(*tokenizer, "xaaab", {"aab"}).text, "xa");
}

TEST(Detokenizer, TheStopStringThatIsCompleteFirstCounts) {
  const auto tokenizer = bytes_vocabulary();
  EXPECT_EQ(run(*tokenizer, "xabc", {"abc", "b"}).text, "xa");
  EXPECT_EQ(run(*tokenizer, "xabc", {"bc", "abc"}).text, "x");
  EXPECT_EQ(run(*tokenizer, "xabc", {"bc", "abc"}).stop, 1U);
}

TEST(Detokenizer, LeavesControlTokensOutUnlessAsked) {
  const auto tokenizer = bytes_vocabulary();
  Detokenizer plain(*tokenizer);
  EXPECT_EQ(plain.push(TokenId{2}).text, "");
  Detokenizer shown(*tokenizer, {.skip_special = false});
  EXPECT_EQ(shown.push(TokenId{2}).text, "</s>");
}

TEST(Detokenizer, KeepsTheLeadingSpaceOfAnAnswerThatContinuesAText) {
  const auto tokenizer = bytes_vocabulary();
  const TokenId hi = tokenizer->find("\u2581Hi");
  EXPECT_EQ(Detokenizer(*tokenizer).push(hi).text, " Hi");
  EXPECT_EQ(Detokenizer(*tokenizer, {.at_text_start = true}).push(hi).text, "Hi");
}

TEST(Detokenizer, SaysNothingAfterAStop) {
  const auto tokenizer = bytes_vocabulary();
  Detokenizer detokenizer(*tokenizer, {.stop = {"x"}});
  EXPECT_EQ(detokenizer.push(byte_token('x')).stop, 0U);
  EXPECT_TRUE(detokenizer.stopped());
  const auto chunk = detokenizer.push(byte_token('y'));
  EXPECT_EQ(chunk.text, "");
  EXPECT_EQ(chunk.stop, 0U);
  EXPECT_EQ(detokenizer.flush().text, "");
}

TEST(Detokenizer, ACopyGoesItsOwnWay) {
  const auto tokenizer = bytes_vocabulary();
  Detokenizer first(*tokenizer, {.stop = {"ab"}});
  EXPECT_EQ(first.push(byte_token('a')).text, "");
  Detokenizer second = first;
  EXPECT_EQ(first.push(byte_token('b')).stop, 0U);
  EXPECT_EQ(second.push(byte_token('c')).text, "ac");
}

// Random texts over few letters against std::string::find: the earliest end wins, then the longest.
TEST(Detokenizer, StopsWhereAPlainSearchOfTheWholeTextSaysSo) {
  const auto tokenizer = bytes_vocabulary();
  Random random(9);
  const auto word = [&](uint32_t n) {
    std::string made;
    for (; n > 0; --n) {
      made.push_back(static_cast<char>('a' + random() % 2));
    }
    return made;
  };
  for (int round = 0; round < 500; ++round) {
    const std::vector<std::string> stops = {word(1 + random() % 6), word(2 + random() % 6)};
    const std::string text = word(random() % 30);
    size_t end = std::string::npos;
    size_t begin = text.size();
    for (const std::string& stop : stops) {
      const size_t at = text.find(stop);
      if (at == std::string::npos) {
        continue;
      }
      const size_t its_end = at + stop.size();
      if (end == std::string::npos || its_end < end || (its_end == end && at < begin)) {
        end = its_end;
        begin = at;
      }
    }
    const Shown result = run(*tokenizer, text, stops);
    EXPECT_EQ(result.text, text.substr(0, begin)) << text << " " << stops[0] << " " << stops[1];
    EXPECT_EQ(result.stop.has_value(), end != std::string::npos);
  }
}

}  // namespace
}  // namespace quern::test
