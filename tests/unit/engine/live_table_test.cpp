#include "engine/live_table.h"

#include <gtest/gtest.h>

namespace quern {
namespace {

SequencePtr running_sequence(uint64_t id, uint32_t n_generated) {
  auto sequence = std::make_unique<Sequence>();
  sequence->id = SeqId{id};
  sequence->n_prompt = 4;
  sequence->tokens.resize(4 + n_generated);
  sequence->n_computed = n_generated == 0 ? 2 : sequence->n_tokens() - 1;
  return sequence;
}

class LiveTableTest : public testing::Test {
 protected:
  void SetUp() override {
    // Number 1 came first; 2 matters more, 3 less.
    table.add({.id = SeqId{1}, .client_id = "a", .prompt_tokens = 4, .arrival_us = 100});
    table.add({.id = SeqId{2}, .priority = -10, .prompt_tokens = 5, .arrival_us = 200});
    table.add({.id = SeqId{3}, .priority = 10, .prompt_tokens = 6, .arrival_us = 300});
  }
  std::vector<uint64_t> order() const {
    std::vector<uint64_t> ids;
    for (const LiveRequest& request : table.list(1000)) {
      ids.push_back(value(request.id));
    }
    return ids;
  }
  LiveTable table;
};

TEST_F(LiveTableTest, ListsTheQueueInRankOrder) {
  EXPECT_EQ(order(), (std::vector<uint64_t>{2, 1, 3}));
  const auto list = table.list(1000);
  EXPECT_EQ(list[1].position, 1U);
  EXPECT_EQ(list[1].client_id, "a");
  EXPECT_EQ(list[1].state, LiveRequest::State::queued);
}

TEST_F(LiveTableTest, FollowsRequestsThroughRunningAndPreemption) {
  std::vector<SequencePtr> running;
  running.push_back(running_sequence(3, 0));
  EXPECT_EQ(table.update(running), 1U);
  EXPECT_EQ(order(), (std::vector<uint64_t>{3, 2, 1}));
  EXPECT_EQ(table.list(1000)[0].state, LiveRequest::State::prefill);
  running[0] = running_sequence(3, 7);
  EXPECT_EQ(table.update(running), 0U);
  EXPECT_EQ(table.list(1000)[0].state, LiveRequest::State::decode);
  EXPECT_EQ(table.list(1000)[0].completion_tokens, 7U);
  running.clear();
  EXPECT_EQ(table.update(running), 0U);
  EXPECT_EQ(table.list(1000)[2].state, LiveRequest::State::queued) << "preempted";
  EXPECT_FALSE(table.remove(SeqId{3})) << "it had run";
  EXPECT_TRUE(table.remove(SeqId{2}));
  EXPECT_FALSE(table.remove(SeqId{2}));
}

TEST_F(LiveTableTest, SumsTheQueue) {
  std::vector<SequencePtr> running;
  running.push_back(running_sequence(2, 0));
  table.update(running);
  const LiveTable::Queue queue = table.queue(1000);
  EXPECT_EQ(queue.n_running, 1U);
  EXPECT_EQ(queue.n_waiting, 2U);
  EXPECT_EQ(queue.n_waiting_tokens, 10U);
  EXPECT_EQ(queue.oldest_us, 900);
  EXPECT_EQ(queue.by_priority, (std::vector<std::pair<int32_t, uint32_t>>{{0, 1}, {10, 1}}));
}

TEST_F(LiveTableTest, AgeingShowsInThePositions) {
  // One level a second (ranking.h): after 11 s number 3 ranks where a normal arrival of now does.
  table.add({.id = SeqId{4}, .priority = 0, .arrival_us = 11'000'000});
  const auto list = table.list(11'400'000);
  EXPECT_EQ(value(list[2].id), 3U);
  EXPECT_EQ(value(list[3].id), 4U);
}

}  // namespace
}  // namespace quern
