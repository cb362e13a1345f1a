// All ways of merging against the definition, on random tables and words.
#include "text/bpe_merge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "text/byte_pairs.h"
#include "unit/text/merge_oracle.h"

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

TEST_P(Merging, AllWaysFollowTheDefinition) {
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

Symbols merge_by_set(const MergeTable& merges, const Symbols& symbols) {
  const auto rank = [&](TokenId left, TokenId right) -> std::optional<uint32_t> {
    const uint32_t found = merges.rank(left, right);
    return found == kNoRank ? std::nullopt : std::optional(found);
  };
  const auto join = [&](TokenId left, TokenId right) {
    return merges.merged(merges.rank(left, right));
  };
  return test::merge_in_order(symbols, rank, join);
}

// Runs of one letter, each of up to `longest`: short ones make dense texts of all letters.
Symbols runs(std::mt19937& random, size_t n, size_t longest) {
  Symbols word;
  while (word.size() < n) {
    const TokenId letter{std::uniform_int_distribution<int>(0, 2)(random)};
    const size_t length = std::uniform_int_distribution<size_t>(1, longest)(random);
    word.insert(word.end(), std::min(length, n - word.size()), letter);
  }
  return word;
}

TEST_P(Merging, LongWordsFollowTheDefinition) {
  std::mt19937 random(5);
  for (int round = 0; round < 40; ++round) {
    const MergeTable table = random_table(random, GetParam());
    MergeScratch scratch(table);
    for (const auto& [n, longest] : {std::pair<size_t, size_t>{11000, 11000},
                                     {11000, 500},
                                     {11000, 9},
                                     {11000, 1},
                                     {10007, 3},
                                     {1000, 100},
                                     {41, 41}}) {
      const Symbols word = runs(random, n, longest);
      const Symbols want = merge_by_set(table, word);
      Symbols got = word;
      got.resize(scratch.merge(got));
      ASSERT_EQ(got, want) << "swept, round " << round << ", runs up to " << longest;
      got = word;
      got.resize(scratch.merge_listed(got));
      ASSERT_EQ(got, want) << "listed, round " << round << ", runs up to " << longest;
    }
  }
}

TEST_P(Merging, TheSetFollowsTheDefinitionToo) {
  std::mt19937 random(7);
  for (int round = 0; round < 100; ++round) {
    const MergeTable table = random_table(random, GetParam());
    const Symbols word = random_word(random, 200);
    ASSERT_EQ(merge_by_set(table, word), merge_by_definition(table, word));
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

TEST(BytePairs, CutsWhereNothingJoins) {
  BytePairs pairs;
  pairs.add('a', 'b');
  pairs.add('\xFF', '\0');
  EXPECT_EQ(pairs.part_end("abab", 0), 2U);
  EXPECT_EQ(pairs.part_end("abab", 2), 4U);
  EXPECT_EQ(pairs.part_end("b", 0), 1U);
  EXPECT_EQ(pairs.part_end(std::string_view("\xFF\0a", 3), 0), 2U);
}

// Ascending ranks as merging adds them, against a sorted list.
TEST(RankQueue, GivesRanksInOrderAndTheirPlacesInOrder) {
  std::mt19937 random(1);
  RankQueue queue;
  std::vector<uint32_t> places;
  for (const uint32_t highest : {3U, 1000U, kNoRank - 1}) {
    queue.clear();
    std::set<std::pair<uint32_t, uint32_t>> want;
    const auto add = [&](uint32_t above, int n) {
      for (int i = 0; i < n && above < highest; ++i) {
        const uint32_t rank = std::uniform_int_distribution(above + 1, highest)(random);
        const auto place = static_cast<uint32_t>(random() % 10000);
        if (want.insert({rank, place}).second) {
          queue.add(rank, place);
        }
      }
    };
    add(0, 2000);
    for (uint32_t rank = 0; queue.take(rank, places);) {
      for (const uint32_t place : places) {
        ASSERT_FALSE(want.empty());
        ASSERT_EQ(*want.begin(), std::pair(rank, place));
        want.erase(want.begin());
      }
      if (random() % 2 == 0) {
        add(rank, 2);
      }
    }
    EXPECT_TRUE(want.empty());
  }
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
