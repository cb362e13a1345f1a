#include "model/output_rows.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

// Rows 0-3 are at positions 10-13 of one sequence, rows 4-6 at 0-2 of a second, row 7 at 5 of a
// third.
class OutputRowsTest : public testing::Test {
 protected:
  void select(const std::vector<uint32_t>& rows) {
    outputs_.select({.tokens = tokens_, .positions = positions_, .sequences = sequences_}, rows);
  }

  std::vector<TokenId> tokens_ = {TokenId{20}, TokenId{21}, TokenId{22}, TokenId{23},
                                  TokenId{24}, TokenId{25}, TokenId{26}, TokenId{27}};
  std::vector<int32_t> positions_ = {10, 11, 12, 13, 0, 1, 2, 5};
  std::vector<BlockId> blocks_ = {BlockId{4}, BlockId{5}, BlockId{6}};
  std::vector<StepSequence> sequences_ = {
      {.first_row = 0, .n_rows = 4, .position = 10, .blocks = std::span(blocks_).subspan(0, 1)},
      {.first_row = 4, .n_rows = 3, .position = 0, .blocks = std::span(blocks_).subspan(1, 1)},
      {.first_row = 7, .n_rows = 1, .position = 5, .blocks = std::span(blocks_).subspan(2, 1)},
  };
  OutputRows outputs_;
};

struct Expected {
  uint32_t first_row, n_rows, position;
  BlockId block;
};

void expect_sequences(const StepInput& input, const std::vector<Expected>& expected) {
  ASSERT_EQ(input.sequences.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(input.sequences[i].first_row, expected[i].first_row) << i;
    EXPECT_EQ(input.sequences[i].n_rows, expected[i].n_rows) << i;
    EXPECT_EQ(input.sequences[i].position, expected[i].position) << i;
    EXPECT_EQ(input.sequences[i].blocks.front(), expected[i].block) << i;
  }
}

TEST_F(OutputRowsTest, NeighboursStayASequenceAndOthersBecomeTheirOwn) {
  select({0, 2, 3, 6, 7});
  EXPECT_EQ(outputs_.n(), 5U);
  const StepInput input = outputs_.input();
  EXPECT_EQ(std::vector(input.tokens.begin(), input.tokens.end()),
            (std::vector{TokenId{20}, TokenId{22}, TokenId{23}, TokenId{26}, TokenId{27}}));
  EXPECT_EQ(std::vector(input.positions.begin(), input.positions.end()),
            (std::vector{10, 12, 13, 2, 5}));
  expect_sequences(input, {{0, 1, 10, BlockId{4}},
                           {1, 2, 12, BlockId{4}},
                           {3, 1, 2, BlockId{5}},
                           {4, 1, 5, BlockId{6}}});
}

// Row 4 follows row 3 in the batch, but it is another sequence's.
TEST_F(OutputRowsTest, SequencesAreNotJoined) {
  sequences_[1].position = 14;
  select({3, 4});
  expect_sequences(outputs_.input(), {{0, 1, 13, BlockId{4}}, {1, 1, 14, BlockId{5}}});
}

TEST_F(OutputRowsTest, NoneAreNone) {
  select({1});
  select({});
  EXPECT_EQ(outputs_.n(), 0U);
  EXPECT_TRUE(outputs_.input().tokens.empty());
  EXPECT_TRUE(outputs_.input().sequences.empty());
}

}  // namespace
}  // namespace quern
