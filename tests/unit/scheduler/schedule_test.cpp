// Schedules worked out by hand. Blocks hold 16 tokens. "2:16+8" reads: sequence 2, from position
// 16, 8 rows.
#include <gmock/gmock.h>

#include "scheduler_fixture.h"

namespace quern {
namespace {

using ::testing::ElementsAre;

SchedulerConfig small_config() {
  return {.max_seqs = 4, .max_batch_tokens = 32, .prefill_chunk = 32, .max_context = 256};
}

TEST_F(SchedulerTest, APromptRunsInChunksBesideTheOthersTokens) {
  set_up({.config = small_config()});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(20), .max_tokens = 9});
  EXPECT_EQ(step(), "1:0+20");
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(70, 100), .max_tokens = 9});
  // 1 decodes at position 20. 31 rows of the budget are left; the chunk ends on a block: 16.
  EXPECT_EQ(step(), "1:20+1 2:0+16");
  EXPECT_EQ(step(), "1:21+1 2:16+16");
  EXPECT_EQ(step(), "1:22+1 2:32+16");
  // 70 - 48 = 22 rows are the rest, and fit into 31.
  EXPECT_EQ(plan(), "1:23+1 2:48+22");
  // Row 0 is 1's only one, row 22 is 2's last.
  EXPECT_THAT(batch.logit_rows, ElementsAre(0U, 22U));
  commit();
  EXPECT_EQ(step(), "1:24+1 2:70+1");
}

TEST_F(SchedulerTest, TheBatchCarriesTokensPositionsAndTables) {
  set_up({.config = small_config()});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(18, 500), .max_tokens = 9});
  EXPECT_EQ(step(), "1:0+18");
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(3, 700), .max_tokens = 9});
  EXPECT_EQ(plan(), "1:18+1 2:0+3");
  EXPECT_THAT(batch.tokens, ElementsAre(kSampled, TokenId{700}, TokenId{701}, TokenId{702}));
  EXPECT_THAT(batch.positions, ElementsAre(18, 0, 1, 2));
  // 19 positions are two blocks, 3 are one; blocks come in order from a fresh pool.
  EXPECT_THAT(batch.blocks, ElementsAre(BlockId{0}, BlockId{1}, BlockId{2}));
  ASSERT_EQ(batch.sequences.size(), 2U);
  EXPECT_EQ(batch.sequences[1].first_row, 1U);
  EXPECT_EQ(batch.sequences[1].first_block, 2U);
  EXPECT_EQ(batch.sequences[1].n_blocks, 1U);
  commit();
}

TEST_F(SchedulerTest, ThePrefillChunkCanShrinkBetweenSteps) {
  set_up({.config = small_config()});
  scheduler->set_prefill_chunk(5);
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(40), .max_tokens = 9});
  EXPECT_EQ(step(), "1:0+5");
  EXPECT_EQ(step(), "1:5+5");
  scheduler->set_prefill_chunk(20);
  // 10 + 20 = 30 is cut to the end of the first block.
  EXPECT_EQ(step(), "1:10+6");
  EXPECT_EQ(step(), "1:16+16");
  scheduler->set_prefill_chunk(0);
  EXPECT_EQ(step(), "1:32+1");
}

TEST_F(SchedulerTest, ACachedPrefixIsNotComputedAgain) {
  set_up({.config = small_config()});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(32), .max_tokens = 1});
  EXPECT_EQ(step(), "1:0+32");
  EXPECT_EQ(ended(), "1:length/none");
  EXPECT_EQ(pool->n_used(), 0U);
  // The same 32 tokens: block 0 is reused, block 1 would leave nothing to compute.
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(32), .max_tokens = 2});
  // 30 of the same tokens and others: block 0.
  std::vector<TokenId> other = prompt_of(30);
  other.push_back(TokenId{900});
  scheduler->add({.id = SeqId{3}, .tokens = other, .max_tokens = 2});
  EXPECT_EQ(plan(), "2:16+16 3:16+15");
  EXPECT_EQ(seq(2).n_cached_tokens, 16U);
  EXPECT_EQ(seq(3).n_cached_tokens, 16U);
  EXPECT_EQ(seq(2).table.blocks[0], seq(3).table.blocks[0]);
  EXPECT_EQ(pool->n_refs(seq(2).table.blocks[0]), 2U);
  EXPECT_EQ(cache->n_query_tokens(), 32U + 32U + 31U);
  EXPECT_EQ(cache->n_hit_tokens(), 32U);
  commit();
}

TEST_F(SchedulerTest, GeneratedTokensArePrefixesTooInTheNextTurn) {
  set_up({.config = small_config()});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(10), .max_tokens = 7});
  for (int i = 0; i < 7; ++i) {
    step();
  }
  EXPECT_EQ(ended(), "1:length/none");
  // 10 + 7 tokens, of which the last was never computed: 16 positions, one full block.
  std::vector<TokenId> next_turn = prompt_of(10);
  next_turn.insert(next_turn.end(), 7, kSampled);
  next_turn.push_back(TokenId{5});
  scheduler->add({.id = SeqId{2}, .tokens = next_turn, .max_tokens = 7});
  EXPECT_EQ(step(), "2:16+2");
}

TEST_F(SchedulerTest, SaltsShareNoBlocks) {
  set_up({.config = small_config()});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(20), .max_tokens = 1, .cache_salt = "a"});
  EXPECT_EQ(step(), "1:0+20");
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(20), .max_tokens = 1, .cache_salt = "b"});
  EXPECT_EQ(step(), "2:0+20");
  scheduler->add({.id = SeqId{3}, .tokens = prompt_of(20), .max_tokens = 1, .cache_salt = "a"});
  EXPECT_EQ(step(), "3:16+4");
}

TEST_F(SchedulerTest, TwinsThatArriveTogetherComputeTheirPrefixOnce) {
  set_up({.config = small_config()});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(40), .max_tokens = 3});
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(40), .max_tokens = 3});
  scheduler->add({.id = SeqId{3}, .tokens = prompt_of(5, 100), .max_tokens = 3});
  EXPECT_EQ(step(), "1:0+32");
  // 2 takes both blocks; the last 8 tokens are no full block, so each computes its own.
  EXPECT_EQ(step(), "1:32+8 2:32+8 3:0+5");
  EXPECT_EQ(seq(2).n_cached_tokens, 32U);
  EXPECT_EQ(seq(1).table.blocks[1], seq(2).table.blocks[1]);
  EXPECT_NE(seq(1).table.blocks[2], seq(2).table.blocks[2]);
}

TEST_F(SchedulerTest, WhileOnesPrefixIsComputedTheTwinYieldsItsRows) {
  set_up({.config = small_config()});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(20), .max_tokens = 3});
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(20), .max_tokens = 3});
  scheduler->add({.id = SeqId{3}, .tokens = prompt_of(5, 100), .max_tokens = 3});
  // 2 waits for the block that 1 fills; its rows go to 3.
  EXPECT_EQ(step(), "1:0+20 3:0+5");
  EXPECT_EQ(step(), "1:20+1 3:5+1 2:16+4");
}

TEST_F(SchedulerTest, PreemptsTheLowestPriorityThenTheYoungestAndResumes) {
  // 5 blocks = 80 positions; three sequences of 16 tokens, each needs a second block at once.
  set_up({.n_blocks = 5, .config = {.max_seqs = 4, .max_batch_tokens = 64, .max_context = 80}});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(16), .max_tokens = 20, .arrival_us = 1});
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(15, 100), .max_tokens = 3, .arrival_us = 2});
  // The last to start finds 2 running and 3 blocks left: 1 needed and 2 in reserve.
  scheduler->add({.id = SeqId{3},
                  .tokens = prompt_of(16, 200),
                  .max_tokens = 20,
                  .priority = -1,
                  .arrival_us = 3});
  EXPECT_EQ(step(9), "3:0+16 1:0+16 2:0+15");
  // Position 16 of 3 and of 1 take the last two blocks. 2 still has room at position 15.
  EXPECT_EQ(step(9), "3:16+1 1:16+1 2:15+1");
  EXPECT_EQ(pool->n_available(), 0U);
  // 2 needs a block for position 16: none is left and it ranks last.
  EXPECT_EQ(step(9), "3:17+1 1:17+1");
  EXPECT_EQ(seq(2).state, SequenceState::waiting);
  EXPECT_EQ(seq(2).n_preemptions, 1U);
  EXPECT_EQ(seq(2).n_generated(), 2U);
  EXPECT_EQ(scheduler->n_preemptions(), 1U);
  // Its full block is still cached, so 2 needs it and a new one, and 2 more in reserve.
  EXPECT_EQ(step(9), "3:18+1 1:18+1");
  scheduler->cancel(SeqId{1}, 9);
  // 1's two blocks and 2's own are available: 3 >= 2 + 1 (reserve). It resumes behind its block.
  EXPECT_EQ(step(9), "3:19+1 2:16+1");
  EXPECT_EQ(ended(), "1:cancelled/none 2:length/none");
  EXPECT_EQ(finished[1]->n_cached_tokens, 0U) << "its own blocks are no saving";
}

TEST_F(SchedulerTest, AnImportantArrivalTakesAPlaceAtOnce) {
  set_up({.config = {.max_seqs = 2, .max_batch_tokens = 64, .max_context = 256}});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(5), .max_tokens = 9, .priority = 10});
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(6, 100), .max_tokens = 9, .priority = 10});
  EXPECT_EQ(step(), "1:0+5 2:0+6");
  scheduler->add({.id = SeqId{3}, .tokens = prompt_of(7, 200), .max_tokens = 9, .priority = 0});
  // 2 is as unimportant as 1 and younger: it makes room.
  EXPECT_EQ(step(), "1:5+1 3:0+7");
  scheduler->add({.id = SeqId{4}, .tokens = prompt_of(7, 300), .max_tokens = 9, .priority = 10});
  EXPECT_EQ(step(), "3:7+1 1:6+1") << "an equal never takes a place";
  scheduler->cancel(SeqId{3}, 0);
  // 2 comes back before 4: it arrived no later and has the lower id. 6 prompt tokens and one more.
  EXPECT_EQ(step(), "1:7+1 2:0+7");
}

TEST_F(SchedulerTest, NobodyIsPreemptedInVain) {
  // 4 blocks. 1 (important) holds 3; 2 (not important) holds 1. 3 needs 2 blocks: preempting 2
  // frees only one.
  set_up({.n_blocks = 5, .config = {.max_seqs = 4, .max_batch_tokens = 64, .max_context = 64}});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(40), .max_tokens = 9, .priority = -20});
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(4, 100), .max_tokens = 9, .priority = 10});
  EXPECT_EQ(step(), "1:0+40 2:0+4");
  scheduler->add({.id = SeqId{3}, .tokens = prompt_of(40, 200), .max_tokens = 9, .priority = -5});
  EXPECT_EQ(step(), "1:40+1 2:4+1");
  EXPECT_EQ(scheduler->n_preemptions(), 0U);
}

TEST_F(SchedulerTest, ALargeRequestIsNotOvertakenByLaterSmallOnes) {
  set_up({.n_blocks = 4, .config = {.max_seqs = 4, .max_batch_tokens = 64, .max_context = 64}});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(20), .max_tokens = 3, .arrival_us = 1});
  EXPECT_EQ(step(5), "1:0+20");
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(40, 100), .max_tokens = 3, .arrival_us = 2});
  scheduler->add({.id = SeqId{3}, .tokens = prompt_of(4, 200), .max_tokens = 3, .arrival_us = 3});
  EXPECT_EQ(step(5), "1:20+1");
  EXPECT_EQ(step(5), "1:21+1");
  EXPECT_EQ(ended(), "1:length/none");
  // 2 takes 3 of 4 blocks; 3 needs 1 and 1 in reserve.
  EXPECT_EQ(step(5), "2:0+40");
}

TEST_F(SchedulerTest, AgeingLiftsToJustBelowHighAndNoFurther) {
  const RankingConfig config{.high_priority = -10, .ageing_step_us = 1000};
  const Sequence low{.priority = 10, .arrival_us = 500};
  EXPECT_EQ(effective_priority(low, config, 500), 10);
  EXPECT_EQ(effective_priority(low, config, 1499), 10);
  EXPECT_EQ(effective_priority(low, config, 1500), 9);
  EXPECT_EQ(effective_priority(low, config, 500 + 19'000), -9);
  EXPECT_EQ(effective_priority(low, config, 500 + 1'000'000), -9);
  EXPECT_EQ(effective_priority(low, config, 0), 10) << "a clock that lags lowers nobody";
  const Sequence high{.priority = -10, .arrival_us = 0};
  EXPECT_EQ(effective_priority(high, config, 1'000'000), -10);
  const Sequence top{.priority = std::numeric_limits<int32_t>::min()};
  EXPECT_EQ(effective_priority(top, config, 1'000'000), std::numeric_limits<int32_t>::min());
  EXPECT_EQ(effective_priority(low, {.ageing_step_us = 0}, 1'000'000), 10);
}

// One place, a flood of normal requests that never lets up, and one of low priority.
int steps_until_low_ends(Scheduler& scheduler, int64_t step_us) {
  Batch batch;
  std::vector<StepResult> results;
  scheduler.add({.id = SeqId{1}, .tokens = prompt_of(4), .max_tokens = 1, .priority = 10});
  for (int step = 0; step < 500; ++step) {
    const int64_t now_us = step * step_us;
    scheduler.add({.id = SeqId{1000 + static_cast<uint64_t>(step)},
                   .tokens = prompt_of(4, 100),
                   .max_tokens = 1,
                   .arrival_us = now_us});
    scheduler.schedule(now_us, batch);
    results = {{.seq = batch.sequences[0].seq, .token = kSampled}};
    scheduler.commit(results, now_us);
    if (scheduler.find(SeqId{1}) == nullptr) {
      return step;
    }
  }
  return -1;
}

TEST_F(SchedulerTest, ALowPriorityRequestOutlastsAFloodThanksToAgeing) {
  SchedulerConfig ageing{.max_seqs = 1, .max_batch_tokens = 8, .max_context = 64};
  // Every step takes 1 ms and serves the newcomer of that step, priority 0. Ageing by 1 per 10 ms
  // brings 10 to 0 after 100 steps, where the earlier arrival wins.
  ageing.ranking.ageing_step_us = 10'000;
  set_up({.config = ageing});
  EXPECT_EQ(steps_until_low_ends(*scheduler, 1000), 100);
  ageing.ranking.ageing_step_us = 0;
  set_up({.config = ageing});
  EXPECT_EQ(steps_until_low_ends(*scheduler, 1000), -1);
}

TEST_F(SchedulerTest, AllRowsGiveLogitsWhenAskedAndNothingIsTakenFromTheCache) {
  set_up({.config = small_config()});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(20), .max_tokens = 1});
  EXPECT_EQ(step(), "1:0+20");
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(34), .logit_rows = LogitRows::all});
  scheduler->add({.id = SeqId{3}, .tokens = prompt_of(3, 100), .max_tokens = 1});
  EXPECT_EQ(plan(), "2:0+32");
  EXPECT_EQ(batch.logit_rows.size(), 32U);
  scheduler->commit({}, 0);
  EXPECT_EQ(plan(), "2:32+2 3:0+3");
  EXPECT_THAT(batch.logit_rows, ElementsAre(0U, 1U, 4U));
  // max_tokens 0: it ends with its prompt and needs no result.
  results = {{.seq = SeqId{3}, .token = kSampled}};
  scheduler->commit(results, 0);
  EXPECT_EQ(ended(), "1:length/none 2:length/none 3:length/none");
}

TEST_F(SchedulerTest, ADiscardedStepIsPlannedAgain) {
  set_up({.config = small_config()});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(40), .max_tokens = 2});
  EXPECT_EQ(plan(), "1:0+32");
  scheduler->discard_step();
  EXPECT_EQ(step(), "1:0+32");
  EXPECT_EQ(step(), "1:32+8");
  EXPECT_EQ(plan(), "1:40+1");
  scheduler->discard_step();
  EXPECT_EQ(step(), "1:40+1");
  EXPECT_EQ(ended(), "1:length/none");
}

TEST_F(SchedulerTest, WithoutACacheEverythingIsComputed) {
  set_up({.config = small_config(), .cache = false});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(16), .max_tokens = 1});
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(16), .max_tokens = 1});
  EXPECT_EQ(step(), "1:0+16 2:0+16");
  EXPECT_EQ(pool->n_cached(), 0U);
}

}  // namespace
}  // namespace quern
