// How sequences come and go: bounds of the queue, deadlines, cancelling, ends and errors.
#include "scheduler_fixture.h"

namespace quern {
namespace {

SchedulerConfig one_place() {
  return {.max_seqs = 1, .max_batch_tokens = 64, .max_context = 64, .max_queue = 3};
}

TEST_F(SchedulerTest, RefusesWhatCanNeverRun) {
  set_up({.config = one_place()});
  EXPECT_EQ(scheduler->add({.id = SeqId{1}, .max_tokens = 4}), AddOutcome::empty_prompt);
  EXPECT_EQ(scheduler->add({.id = SeqId{1}, .tokens = prompt_of(64), .max_tokens = 4}),
            AddOutcome::too_long);
  EXPECT_EQ(
      scheduler->add({.id = SeqId{1}, .tokens = prompt_of(9), .max_tokens = 4, .max_context = 9}),
      AddOutcome::too_long);
  EXPECT_EQ(scheduler->add({.id = SeqId{1}, .tokens = prompt_of(64)}), AddOutcome::accepted)
      << "a prompt without an answer may fill the context";
}

TEST_F(SchedulerTest, RefusesAPoolSmallerThanTheContext) {
  BlockPool small(3);
  PrefixCache small_cache(small, {.n_block_tokens = kKvBlockTokens});
  // 49 tokens are 4 blocks.
  const auto refused = Scheduler::create({.max_context = 49}, small, small_cache);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().to_string(),
            "[scheduler] a context of 49 tokens needs 4 KV blocks, the pool has 3; expected a "
            "smaller --ctx or a larger --kv-bytes");
  EXPECT_TRUE(Scheduler::create({.max_context = 48}, small, small_cache));
  EXPECT_FALSE(Scheduler::create({.max_seqs = 8, .max_batch_tokens = 7, .max_context = 48}, small,
                                 small_cache));
  EXPECT_FALSE(Scheduler::create({.max_seqs = 0, .max_context = 48}, small, small_cache));
}

TEST_F(SchedulerTest, TheQueueIsBoundedByRequests) {
  set_up({.config = one_place()});
  for (uint64_t id = 1; id <= 3; ++id) {
    EXPECT_EQ(scheduler->add({.id = SeqId{id}, .tokens = prompt_of(4), .max_tokens = 4}),
              AddOutcome::accepted);
  }
  EXPECT_EQ(scheduler->add({.id = SeqId{4}, .tokens = prompt_of(4), .max_tokens = 4}),
            AddOutcome::queue_full);
  step();
  EXPECT_EQ(scheduler->add({.id = SeqId{4}, .tokens = prompt_of(4), .max_tokens = 4}),
            AddOutcome::accepted)
      << "one has started";
}

TEST_F(SchedulerTest, TheQueueIsBoundedByTokensUnlessItIsEmpty) {
  SchedulerConfig config = one_place();
  config.max_queue_tokens = 10;
  set_up({.config = config});
  EXPECT_EQ(scheduler->add({.id = SeqId{1}, .tokens = prompt_of(11), .max_tokens = 4}),
            AddOutcome::accepted);
  EXPECT_EQ(scheduler->add({.id = SeqId{2}, .tokens = prompt_of(1), .max_tokens = 4}),
            AddOutcome::queue_tokens_full);
  step();
  EXPECT_EQ(scheduler->n_waiting_tokens(), 0U);
  EXPECT_EQ(scheduler->add({.id = SeqId{2}, .tokens = prompt_of(6), .max_tokens = 4}),
            AddOutcome::accepted);
  EXPECT_EQ(scheduler->add({.id = SeqId{3}, .tokens = prompt_of(4), .max_tokens = 4}),
            AddOutcome::accepted);
  EXPECT_EQ(scheduler->n_waiting_tokens(), 10U);
}

TEST_F(SchedulerTest, AnImportantArrivalDisplacesTheNewestOfTheLeastImportant) {
  set_up({.config = one_place()});
  scheduler->add(
      {.id = SeqId{1}, .tokens = prompt_of(4), .max_tokens = 4, .priority = 10, .arrival_us = 1});
  scheduler->add(
      {.id = SeqId{2}, .tokens = prompt_of(4), .max_tokens = 4, .priority = 10, .arrival_us = 2});
  scheduler->add(
      {.id = SeqId{3}, .tokens = prompt_of(4), .max_tokens = 4, .priority = 5, .arrival_us = 3});
  EXPECT_EQ(
      scheduler->add({.id = SeqId{4}, .tokens = prompt_of(4), .max_tokens = 4, .arrival_us = 4}),
      AddOutcome::accepted);
  EXPECT_EQ(ended(), "2:error/displaced");
  EXPECT_EQ(scheduler->add({.id = SeqId{5},
                            .tokens = prompt_of(4),
                            .max_tokens = 4,
                            .priority = 10,
                            .arrival_us = 5}),
            AddOutcome::queue_full);
}

TEST_F(SchedulerTest, NobodyIsDisplacedForARequestThatStillDoesNotFit) {
  SchedulerConfig config = one_place();
  config.max_queue_tokens = 30;
  set_up({.config = config});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(20), .max_tokens = 4, .priority = -5});
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(10), .max_tokens = 4, .priority = 10});
  EXPECT_EQ(scheduler->add({.id = SeqId{3}, .tokens = prompt_of(11), .max_tokens = 4}),
            AddOutcome::queue_tokens_full);
  EXPECT_EQ(ended(), "");
  EXPECT_EQ(scheduler->add({.id = SeqId{3}, .tokens = prompt_of(10), .max_tokens = 4}),
            AddOutcome::accepted);
  EXPECT_EQ(ended(), "2:error/displaced");
}

TEST_F(SchedulerTest, EachDeadlineEndsWithItsCause) {
  set_up({.config = one_place()});
  scheduler->add({.id = SeqId{1},
                  .tokens = prompt_of(4),
                  .max_tokens = 40,
                  .deadlines = {.queue_us = 10, .first_token_us = 20, .total_us = 30}});
  scheduler->add(
      {.id = SeqId{2}, .tokens = prompt_of(4), .max_tokens = 40, .deadlines = {.queue_us = 10}});
  scheduler->add({.id = SeqId{3},
                  .tokens = prompt_of(4),
                  .max_tokens = 40,
                  .deadlines = {.first_token_us = 11}});
  EXPECT_EQ(step(9), "1:0+4");
  EXPECT_EQ(ended(), "");
  EXPECT_EQ(step(10), "1:4+1");
  EXPECT_EQ(ended(), "2:timeout/queue_timeout");
  EXPECT_EQ(step(25), "1:5+1") << "it started and has its first token";
  EXPECT_EQ(ended(), "3:timeout/first_token_timeout");
  EXPECT_EQ(step(30), "");
  EXPECT_EQ(ended(), "1:timeout/total_timeout");
  EXPECT_FALSE(scheduler->has_work());
  EXPECT_EQ(pool->n_used(), 0U);
}

// A request whose deadline passes while its step is computed gets no token of that step.
TEST_F(SchedulerTest, DeadlinesHoldWithinTheStepTheyPassIn) {
  set_up({.config = {.max_seqs = 4, .max_batch_tokens = 64, .max_context = 64}});
  scheduler->add({.id = SeqId{1},
                  .tokens = prompt_of(4),
                  .max_tokens = 1,
                  .deadlines = {.first_token_us = 20}});
  scheduler->add({.id = SeqId{2},
                  .tokens = prompt_of(4, 100),
                  .max_tokens = 1,
                  .deadlines = {.total_us = 20}});
  scheduler->add({.id = SeqId{3},
                  .tokens = prompt_of(4, 200),
                  .max_tokens = 2,
                  .deadlines = {.queue_us = 20, .first_token_us = 21}});
  EXPECT_EQ(plan(19), "1:0+4 2:0+4 3:0+4");
  EXPECT_FALSE(scheduler->expire(SeqId{1}, 19));
  EXPECT_TRUE(scheduler->expire(SeqId{1}, 20));
  EXPECT_FALSE(scheduler->expire(SeqId{1}, 20)) << "it ends once";
  EXPECT_TRUE(scheduler->expire(SeqId{2}, 20));
  EXPECT_FALSE(scheduler->expire(SeqId{3}, 20)) << "it has left the queue";
  commit(20);
  EXPECT_EQ(ended(), "1:timeout/first_token_timeout 2:timeout/total_timeout");
  EXPECT_EQ(finished[0]->n_generated(), 0U);
  EXPECT_EQ(finished[0]->finished_us, 20);
  EXPECT_EQ(plan(30), "3:4+1") << "it has its first token";
  EXPECT_FALSE(scheduler->expire(SeqId{3}, 30));
  commit(30);
  EXPECT_EQ(ended(), "3:length/none");
  EXPECT_EQ(pool->n_used(), 0U);
}

TEST_F(SchedulerTest, CancelsWhileWaitingInAPrefillAndInADecode) {
  set_up({.config = {.max_seqs = 2, .max_batch_tokens = 16, .max_context = 64}});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(4), .max_tokens = 40});
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(40, 100), .max_tokens = 40});
  scheduler->add({.id = SeqId{3}, .tokens = prompt_of(4, 200), .max_tokens = 40});
  EXPECT_EQ(step(), "1:0+4 2:0+12");
  EXPECT_TRUE(scheduler->cancel(SeqId{3}, 1));
  EXPECT_TRUE(scheduler->cancel(SeqId{2}, 1));
  EXPECT_FALSE(scheduler->cancel(SeqId{2}, 1)) << "it ends once";
  EXPECT_EQ(step(), "1:4+1");
  EXPECT_TRUE(scheduler->cancel(SeqId{1}, 2));
  EXPECT_EQ(ended(), "3:cancelled/none 2:cancelled/none 1:cancelled/none");
  EXPECT_EQ(finished[2]->n_generated(), 2U);
  EXPECT_EQ(finished[2]->finished_us, 2);
  EXPECT_EQ(step(), "");
  EXPECT_EQ(pool->n_used(), 0U);
}

TEST_F(SchedulerTest, CancellingDuringTheForwardPassIsSafe) {
  set_up({.config = {.max_seqs = 2, .max_batch_tokens = 16, .max_context = 64}});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(4), .max_tokens = 40});
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(4, 100), .max_tokens = 40});
  EXPECT_EQ(plan(), "1:0+4 2:0+4");
  scheduler->cancel(SeqId{1}, 0);
  // The engine may have sampled for it already.
  results = {{.seq = SeqId{1}, .token = kSampled}, {.seq = SeqId{2}, .token = kSampled}};
  scheduler->commit(results, 0);
  EXPECT_EQ(ended(), "1:cancelled/none");
  EXPECT_TRUE(finished[0]->n_generated() == 0);
  EXPECT_EQ(seq(2).n_generated(), 1U);
}

TEST_F(SchedulerTest, EndsOnLengthContextAndTheCallersStop) {
  set_up({.config = {.max_seqs = 3, .max_batch_tokens = 16, .max_context = 64}});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(4), .max_tokens = 1});
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(4, 100), .max_tokens = 9, .max_context = 6});
  scheduler->add({.id = SeqId{3}, .tokens = prompt_of(4, 200), .max_tokens = 9});
  step(7);
  EXPECT_EQ(ended(), "1:length/none");
  EXPECT_EQ(finished[0]->first_token_us, 7);
  EXPECT_EQ(plan(8), "2:4+1 3:4+1");
  results = {{.seq = SeqId{2}, .token = kSampled},
             {.seq = SeqId{3}, .token = TokenId{2}, .finish = FinishReason::stop}};
  scheduler->commit(results, 8);
  EXPECT_EQ(ended(), "2:length/none 3:stop/none");
  EXPECT_EQ(finished[0]->n_tokens(), 6U);
  EXPECT_EQ(finished[1]->tokens.back(), TokenId{2}) << "the token that ended it counts";
}

TEST_F(SchedulerTest, AFailedSequenceEndsAloneAndItsBlocksAreNotReused) {
  set_up({.config = {.max_seqs = 3, .max_batch_tokens = 64, .max_context = 64}});
  scheduler->add({.id = SeqId{1}, .tokens = prompt_of(20), .max_tokens = 9});
  scheduler->add({.id = SeqId{2}, .tokens = prompt_of(4, 100), .max_tokens = 9});
  step();
  EXPECT_EQ(plan(), "1:20+1 2:4+1");
  results = {{.seq = SeqId{1}, .finish = FinishReason::error},
             {.seq = SeqId{2}, .token = kSampled}};
  scheduler->commit(results, 0);
  EXPECT_EQ(ended(), "1:error/none");
  EXPECT_EQ(pool->n_cached(), 0U);
  scheduler->add({.id = SeqId{3}, .tokens = prompt_of(20), .max_tokens = 9});
  EXPECT_EQ(step(), "2:5+1 3:0+20");
}

TEST(FinishReason, HasTheNamesThatClientsSee) {
  EXPECT_EQ(to_string(FinishReason::stop), "stop");
  EXPECT_EQ(to_string(FinishReason::length), "length");
  EXPECT_EQ(to_string(FinishReason::cancelled), "cancelled");
  EXPECT_EQ(to_string(FinishReason::timeout), "timeout");
  EXPECT_EQ(to_string(FinishReason::error), "error");
  EXPECT_EQ(to_string(FinishCause::queue_timeout), "queue_timeout");
  EXPECT_EQ(to_string(FinishCause::first_token_timeout), "first_token_timeout");
  EXPECT_EQ(to_string(FinishCause::total_timeout), "total_timeout");
  EXPECT_EQ(to_string(FinishCause::displaced), "displaced");
  EXPECT_EQ(to_string(FinishCause::none), "none");
}

}  // namespace
}  // namespace quern
