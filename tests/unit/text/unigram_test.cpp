#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>

#include "text/charsmap.h"
#include "text/vocab_table.h"
#include "unit/text/vocab_maker.h"

namespace quern::test {
namespace {

// A map with one entry, "a" -> "b", laid out by hand as darts-clone does: unit 0 is the root with
// offset 1, so the child for 'a' (0x61) is unit 1 ^ 0x61 = 0x60; its value hangs at offset 1 from
// it.
std::vector<std::byte> one_entry_map() {
  std::vector<uint32_t> units(0x62, 0);
  units[0] = 1U << 10;
  units[0x60] = (1U << 10) | (1U << 8) | 0x61;
  units[0x61] = 1U << 31;  // value 0
  std::string bytes(4, '\0');
  const auto n = static_cast<uint32_t>(units.size() * 4);
  std::memcpy(bytes.data(), &n, 4);
  bytes.append(reinterpret_cast<const char*>(units.data()), n);
  bytes += std::string("b\0", 2);
  std::vector<std::byte> map(bytes.size());
  std::memcpy(map.data(), bytes.data(), bytes.size());
  return map;
}

TEST(Charsmap, ReplacesWhatItHolds) {
  const auto map = Charsmap::parse(one_entry_map());
  ASSERT_TRUE(map.has_value()) << map.error().to_string();
  EXPECT_EQ(map->longest_prefix("ax").n_bytes, 1U);
  EXPECT_EQ(map->longest_prefix("ax").replacement, "b");
  EXPECT_EQ(map->longest_prefix("x").n_bytes, 0U);
  EXPECT_EQ(map->longest_prefix("").n_bytes, 0U);
}

TEST(Charsmap, RefusesWhatIsNoMap) {
  const std::vector<std::byte> good = one_entry_map();
  for (const size_t n :
       {size_t{1}, size_t{3}, size_t{4}, size_t{100}, good.size() - 1, good.size() - 2}) {
    EXPECT_FALSE(Charsmap::parse(std::span(good).first(n)).has_value()) << n;
  }
  EXPECT_TRUE(Charsmap::parse({}).has_value());
}

// Every index in the array comes from the file; wherever it points, nothing outside is read.
TEST(Charsmap, SurvivesAnyBytes) {
  Random random(3);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::byte> bytes = one_entry_map();
    for (int i = 0; i < 40; ++i) {
      bytes[4 + random() % (bytes.size() - 6)] = static_cast<std::byte>(random());
    }
    const auto map = Charsmap::parse(bytes);
    if (!map) {
      continue;
    }
    for (int c = 0; c < 256; ++c) {
      const std::string text = {static_cast<char>(c), 'a', '\x7f', 'a'};
      const auto match = map->longest_prefix(text);
      EXPECT_LE(match.n_bytes, text.size());
      EXPECT_LE(match.replacement.size(), Charsmap::kMaxReplacementBytes);
    }
  }
}

// The sum of the best segmentation by trying all of them (the definition in Kudo 2018, equation 2);
// a character that is no token costs the worst score less 10, as SentencePiece sets it.
double best_sum(const std::map<std::string, float>& scores, const std::string& text) {
  double worst = 0;
  for (const auto& [token, score] : scores) {
    worst = std::min(worst, static_cast<double>(score));
  }
  std::vector<double> best(text.size() + 1, -1e30);
  best[0] = 0;
  for (size_t end = 1; end <= text.size(); ++end) {
    for (size_t begin = 0; begin < end; ++begin) {
      const auto found = scores.find(text.substr(begin, end - begin));
      double score = -1e30;
      if (found != scores.end()) {
        score = static_cast<double>(found->second);
      } else if (end - begin == 1) {
        score = worst - 10;
      }
      best[end] = std::max(best[end], best[begin] + score);
    }
  }
  return best[text.size()];
}

TEST(Unigram, FindsTheSegmentationWithTheGreatestSum) {
  Random random(5);
  const auto word = [&](uint32_t n) {
    std::string made;
    for (; n > 0; --n) {
      made.push_back(static_cast<char>('a' + random() % 3));
    }
    return made;
  };
  for (int round = 0; round < 200; ++round) {
    VocabMaker maker(TokenizerKind::unigram);
    maker.add("<unk>", TokenType::unknown);
    maker.spec().special.unk = TokenId{0};
    std::map<std::string, float> scores;
    for (int i = 0; i < 10; ++i) {
      const std::string text =
          i < 3 ? std::string(1, static_cast<char>('a' + i)) : word(2 + random() % 3);
      if (!scores.contains(text)) {
        scores[text] = -1.0F - static_cast<float>(random() % 1000) / 100;
        maker.add(text, TokenType::normal, scores[text]);
      }
    }
    const auto tokenizer = maker.make();
    const std::string text = word(1 + random() % 12);
    const auto encoded = tokenizer->encode(text, {});
    double sum = 0;
    for (const TokenId id : *encoded) {
      sum += static_cast<double>(scores.at(std::string(tokenizer->token_bytes(id))));
    }
    EXPECT_EQ(tokenizer->decode(*encoded, {}), text);
    EXPECT_NEAR(sum, best_sum(scores, text), 1e-9) << text;
  }
}

VocabMaker small_t5() {
  VocabMaker maker(TokenizerKind::unigram);
  maker.add("<pad>", TokenType::control);
  maker.add("</s>", TokenType::control);
  maker.add("<unk>", TokenType::unknown);
  maker.add("\u2581", TokenType::normal, -3);
  maker.add("\u2581b", TokenType::normal, -2);
  maker.add("b", TokenType::normal, -2);
  maker.spec().add_space_prefix = true;
  maker.spec().remove_extra_whitespaces = true;
  return maker;
}

// Ids worked out by hand from SentencePiece's rules (normalizer.cc: a space before the text, runs
// of spaces merged; consecutive unknown characters are one <unk>).
TEST(Unigram, NormalisesSpacesAndMergesUnknowns) {
  const auto tokenizer = small_t5().make();
  EXPECT_EQ(*tokenizer->encode("b  b", {}), ids({4, 4}));
  EXPECT_EQ(*tokenizer->encode("  b ", {}), ids({4}));
  EXPECT_EQ(*tokenizer->encode("bxyzb", {}), ids({4, 2, 5}));
  EXPECT_EQ(*tokenizer->encode("xx", {}), ids({3, 2}));
  EXPECT_EQ(*tokenizer->encode("", {}), ids({}));
  EXPECT_EQ(*tokenizer->encode("b", {.add_special = true}), ids({4, 1}));
  EXPECT_EQ(tokenizer->decode(ids({4, 4}), {}), "b b");
}

TEST(Unigram, AppliesTheFilesMap) {
  VocabMaker maker = small_t5();
  maker.spec().precompiled_charsmap = one_entry_map();
  EXPECT_EQ(*maker.make()->encode("a b", {}), ids({4, 4}));
}

TEST(Unigram, FallsBackToBytesWhereThereAreAll) {
  VocabMaker maker = small_t5();
  maker.add_bytes();
  const auto tokenizer = maker.make();
  EXPECT_EQ(tokenizer->decode(*tokenizer->encode("b\u00e9\xFFz", {}), {}), "b\u00e9\xFFz");
}

}  // namespace
}  // namespace quern::test
