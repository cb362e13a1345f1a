// Both ways of merging against the definition, on random tables and words.
#include "text/bpe_merge.h"

#include <gtest/gtest.h>

#include <algorithm>

#include <random>
#include <vector>

namespace quern {
namespace {

using Symbols = std::vector<TokenId>;

// The definition (Sennrich et al., 2016): the pair of the lowest rank, the leftmost of equals.
Symbols merge_by_definition(const MergeTable& merges, Symbols symbols) {
  for (;;) {
    uint32_t best = kNoRank;
    size_t at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const uint32_t rank = merges.rank(symbols[i], symbols[i + 1]);
      if (rank < best) {
        best = rank;
        at = i;
      }
    }
    if (best == kNoRank) {
      return symbols;
    }
    symbols[at] = merges.merged(best);
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(at) + 1);
  }
}

// Tokens of up to 6 letters as strings; every merge is two tokens that make a third. Shuffled ranks
// give merges that use what later merges make, as lists made from a ranking of tokens do.
MergeTable random_table(std::mt19937& random, bool shuffled) {
  const auto pick = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  std::vector<std::string> tokens = {"a", "b", "c"};
  std::vector<std::array<size_t, 3>> pairs;
  for (int round = 0; round < 60; ++round) {
    const size_t left = pick(tokens.size());
    const size_t right = pick(tokens.size());
    const std::string text = tokens[left] + tokens[right];
    if (text.size() > 8) {
      continue;
    }
    const auto known = std::ranges::find(tokens, text);
    const auto merged = static_cast<size_t>(known - tokens.begin());
    if (known == tokens.end()) {
      tokens.push_back(text);
    }
    pairs.push_back({left, right, merged});
  }
  if (shuffled) {
    std::ranges::shuffle(pairs, random);
  }
  MergeTable table(pairs.size());
  const auto id = [](size_t index) { return TokenId{static_cast<int32_t>(index)}; };
  for (const auto& [left, right, merged] : pairs) {
    EXPECT_TRUE(table.add(id(left), id(right), id(merged)));
  }
  return table;
}

Symbols random_word(std::mt19937& random, size_t most) {
  const size_t n = std::uniform_int_distribution<size_t>(0, most)(random);
  const int n_letters = std::uniform_int_distribution<int>(1, 3)(random);
  Symbols word(n);
  for (TokenId& symbol : word) {
    symbol = TokenId{std::uniform_int_distribution<int>(0, n_letters - 1)(random)};
    if (std::uniform_int_distribution<int>(0, 99)(random) == 0) {
      symbol = kNoToken;
    }
  }
  return word;
}

class Merging : public testing::TestWithParam<bool> {};

TEST_P(Merging, BothWaysFollowTheDefinition) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    const MergeTable table = random_table(random, GetParam());
    MergeScratch scratch(table);
    for (int n = 0; n < 10; ++n) {
      const Symbols word = random_word(random, n < 5 ? MergeScratch::kShort : 300);
      const Symbols want = merge_by_definition(table, word);
      Symbols got = word;
      got.resize(scratch.merge_long(got));
      ASSERT_EQ(got, want) << "swept, round " << round;
      got = word;
      got.resize(scratch.merge_listed(got));
      ASSERT_EQ(got, want) << "listed, round " << round;
      if (word.size() <= MergeScratch::kShort) {
        got = word;
        got.resize(scratch.merge_short(got));
        ASSERT_EQ(got, want) << "short, round " << round;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, Merging, testing::Values(false, true),
                         [](const auto& test) { return test.param ? "Shuffled" : "InOrder"; });

TEST(MergeTable, TheFirstOfEqualPairsWins) {
  MergeTable table(2);
  ASSERT_TRUE(table.add(TokenId{0}, TokenId{1}, TokenId{2}));
  ASSERT_TRUE(table.add(TokenId{0}, TokenId{1}, TokenId{3}));
  EXPECT_EQ(table.merged(table.rank(TokenId{0}, TokenId{1})), TokenId{2});
  EXPECT_EQ(table.rank(TokenId{1}, TokenId{0}), kNoRank);
  EXPECT_EQ(table.rank(kNoToken, kNoToken), kNoRank);
}

TEST(TokenTable, FindsEveryTokenAndTheLastOfEqualOnes) {
  TokenTable table(1000, 8000);
  for (int i = 0; i < 999; ++i) {
    table.arena() += std::to_string(i * 7919);
    ASSERT_TRUE(table.add(TokenId{i}));
  }
  table.arena() += "7919";
  ASSERT_TRUE(table.add(TokenId{999}));
  ASSERT_TRUE(table.finish());
  for (int i = 2; i < 999; ++i) {
    const std::string text = std::to_string(i * 7919);
    ASSERT_EQ(table.find(text), TokenId{i});
    ASSERT_TRUE(table.is(TokenId{i}, text));
  }
  EXPECT_EQ(table.find("7919"), TokenId{999});
  EXPECT_FALSE(table.is(TokenId{1}, "7919"));
  EXPECT_EQ(table.find("x"), kNoToken);
  EXPECT_EQ(table.find(""), kNoToken);
  EXPECT_EQ(table.find(std::string(100, '7')), kNoToken);
}

}  // namespace
}  // namespace quern
