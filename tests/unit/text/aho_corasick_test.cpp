#include "text/aho_corasick.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "text/added_tokens.h"
#include "text/byte_trie.h"
#include "unit/text/vocab_maker.h"

namespace quern {
namespace {

TEST(ByteTrie, FindsTheLongestKey) {
  ByteTrie trie;
  ASSERT_TRUE(trie.insert("a", 1));
  ASSERT_TRUE(trie.insert("abc", 2));
  ASSERT_TRUE(trie.insert("", 3));
  EXPECT_EQ(trie.longest_prefix("abd").value, 1);
  EXPECT_EQ(trie.longest_prefix("abcd").value, 2);
  EXPECT_EQ(trie.longest_prefix("abcd").n_bytes, 3U);
  EXPECT_EQ(trie.longest_prefix("b").n_bytes, 0U);
  EXPECT_EQ(trie.longest_prefix("").n_bytes, 0U);
}

TEST(ByteTrie, KeepsAllKeysWhileItsTableGrows) {
  ByteTrie trie;
  for (int32_t i = 0; i < 20000; ++i) {
    ASSERT_TRUE(trie.insert(std::to_string(i * 7919), i));
  }
  for (int32_t i = 0; i < 20000; ++i) {
    EXPECT_EQ(trie.longest_prefix(std::to_string(i * 7919)).value, i);
  }
}

// Aho and Corasick's own example, CACM 18(6) 1975, figure 1: he, she, his, hers in "ushers".
TEST(AhoCorasick, FindsThePapersExample) {
  const std::vector<std::string> patterns = {"he", "she", "his", "hers"};
  const AhoCorasick finder(patterns);
  std::vector<int32_t> found;
  AhoCorasick::State state = AhoCorasick::kStart;
  for (const char c : std::string("ushers")) {
    state = finder.step(state, static_cast<uint8_t>(c));
    found.push_back(finder.longest_match(state));
  }
  EXPECT_EQ(found, (std::vector<int32_t>{-1, -1, -1, 1, -1, 3}));
}

// The definition, tried at every place.
std::vector<AddedTokens::Match> find_slowly(const std::vector<std::string>& texts,
                                            std::string_view text) {
  std::vector<AddedTokens::Match> matches;
  for (size_t at = 0; at < text.size();) {
    size_t best = texts.size();
    for (size_t i = 0; i < texts.size(); ++i) {
      const bool longer = best == texts.size() || texts[i].size() > texts[best].size();
      if (text.substr(at).starts_with(texts[i]) && longer) {
        best = i;
      }
    }
    if (best == texts.size()) {
      ++at;
      continue;
    }
    matches.push_back({at, at + texts[best].size(), TokenId{static_cast<int32_t>(best)}});
    at += texts[best].size();
  }
  return matches;
}

TEST(AddedTokens, FindsLeftmostLongestLikeTheDefinition) {
  test::Random random(7);
  const auto word = [&](uint32_t n_max) {
    std::string made;
    for (uint32_t n = 1 + random() % n_max; n > 0; --n) {
      made.push_back(static_cast<char>('a' + random() % 2));
    }
    return made;
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> texts;
    std::vector<AddedToken> tokens;
    for (int32_t i = 0; i < 6; ++i) {
      std::string made = word(5);
      if (std::ranges::find(texts, made) == texts.end()) {
        tokens.push_back({.id = TokenId{static_cast<int32_t>(texts.size())}});
        texts.push_back(std::move(made));
      }
    }
    const AddedTokens added(tokens, texts);
    const std::string text = word(60);
    const auto got = added.find(text, true);
    const auto want = find_slowly(texts, text);
    ASSERT_EQ(got.size(), want.size()) << text;
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].begin, want[i].begin);
      EXPECT_EQ(got[i].end, want[i].end);
      EXPECT_EQ(got[i].id, want[i].id);
    }
  }
}

TEST(AddedTokens, StripsWhiteSpaceWhereTheTokenSaysSo) {
  const AddedTokens added({{.id = TokenId{5}, .lstrip = true}, {.id = TokenId{6}, .rstrip = true}},
                          {"<mask>", "<end>"});
  const auto matches = added.find("a \t<mask> b<end> \nc", true);
  ASSERT_EQ(matches.size(), 2U);
  EXPECT_EQ(matches[0].begin, 1U);
  EXPECT_EQ(matches[0].end, 9U);
  EXPECT_EQ(matches[1].begin, 11U);
  EXPECT_EQ(matches[1].end, 18U);
}

TEST(AddedTokens, LeavesControlTokensAloneUnlessSpecialTextIsParsed) {
  const AddedTokens added({{.id = TokenId{1}}, {.id = TokenId{2}, .always = true}},
                          {"<|x|>", "<y>"});
  EXPECT_EQ(added.find("<|x|><y>", true).size(), 2U);
  ASSERT_EQ(added.find("<|x|><y>", false).size(), 1U);
  EXPECT_EQ(added.find("<|x|><y>", false)[0].id, TokenId{2});
}

}  // namespace
}  // namespace quern
