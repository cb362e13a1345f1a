// The engine on its own thread: who is told what, and that nothing that fails takes others along.
#include "engine_thread_fixture.h"

namespace quern {
namespace {

EngineThreadConfig config(const EngineConfig& engine = {.max_context = 256}) {
  return {.engine = engine};
}

TEST_F(EngineThreadTest, AnswersAndCounts) {
  start(config());
  Answer answer;
  ASSERT_TRUE(thread->submit(request(answer)).has_value());
  EXPECT_EQ(answer.ended().finish, FinishReason::length);
  EXPECT_EQ(answer.tokens.size(), 8U);
  EXPECT_EQ(answer.usage.prompt_tokens, 20U);
  EXPECT_LE(answer.usage.arrival_us, answer.usage.started_us);
  EXPECT_LE(answer.usage.started_us, answer.usage.first_token_us);
  EXPECT_EQ(finished(FinishReason::length), 1U);
  EXPECT_EQ(metrics.n_generated_tokens, 8U);
  EXPECT_EQ(metrics.n_prompt_tokens, 20U);
  EXPECT_EQ(metrics.time_to_first_token_s.snapshot().count, 1U);
  EXPECT_EQ(metrics.inter_token_latency_s.snapshot().count, 7U);
  EXPECT_EQ(metrics.e2e_latency_s.snapshot().count, 1U);
  EXPECT_EQ(metrics.queue_time_s.snapshot().count, 1U);
  EXPECT_TRUE(thread->live().empty());
}

TEST_F(EngineThreadTest, RefusesInTheCallersThreadWhatCanNeverRun) {
  start(config());
  Answer answer;
  EXPECT_EQ(thread->submit(request(answer, 256)).error().what,
            "the prompt has 256 tokens, the context holds 256");
  Request wrong = request(answer);
  wrong.sampling.top_p = 2.0F;
  EXPECT_FALSE(thread->submit(std::move(wrong)).has_value());
  EXPECT_TRUE(thread->live().empty());
}

TEST_F(EngineThreadTest, CancelsBetweenStepsWhatRunsAndWhatWaits) {
  start(config({.max_context = 256, .max_seqs = 1}));
  Gate gate;
  Answer first;
  Answer second;
  const SeqId id = submit_gated(first, gate);
  const auto waiting = thread->submit(request(second));
  thread->cancel(id);
  thread->cancel(*waiting);
  thread->cancel(SeqId{999});
  gate.open.count_down();
  EXPECT_EQ(first.ended().finish, FinishReason::cancelled);
  EXPECT_EQ(first.tokens.size(), 2U);
  EXPECT_EQ(second.ended().finish, FinishReason::cancelled);
  EXPECT_TRUE(second.tokens.empty());
  EXPECT_EQ(finished(FinishReason::cancelled), 2U);
}

TEST_F(EngineThreadTest, ACallbackMayCancelItsOwnRequest) {
  start(config());
  Answer answer;
  Request r = request(answer, 20, 200);
  r.on_event = [&](const TokenEvent& event) {
    answer.take(event);
    if (answer.tokens.size() == 3 && !event.finish) {
      thread->cancel(event.id);
    }
  };
  ASSERT_TRUE(thread->submit(std::move(r)).has_value());
  EXPECT_EQ(answer.ended().finish, FinishReason::cancelled);
  EXPECT_EQ(answer.tokens.size(), 3U);
}

// Each step computes at most 48 prompt tokens, so a prompt of 240 is cancelled in its midst.
TEST_F(EngineThreadTest, CancelsWithinAPrefill) {
  start(config());
  Gate gate;
  Answer gated;
  Answer late;
  submit_gated(gated, gate);
  const auto id = thread->submit(request(late, 240));
  gate.open.count_down();
  gated.ended();
  thread->cancel(*id);
  late.ended();
  EXPECT_TRUE(late.finish == FinishReason::cancelled || late.finish == FinishReason::length);
}

TEST_F(EngineThreadTest, AFullQueueIsToldByEventsAndImportantArrivalsDisplace) {
  start(config({.max_context = 256, .max_seqs = 1, .max_queue = 2}));
  Gate gate;
  Answer running;
  submit_gated(running, gate);
  std::vector<Answer> waiting(3);
  for (Answer& answer : waiting) {
    ASSERT_TRUE(thread->submit(request(answer)).has_value());
  }
  Answer important;
  Request r = request(important);
  r.priority = -10;
  ASSERT_TRUE(thread->submit(std::move(r)).has_value());
  EXPECT_EQ(thread->snapshot().n_waiting, 4U) << "the two to be told included";
  EXPECT_EQ(value(thread->live()[1].id), 5U) << "the important one is next";
  gate.open.count_down();
  EXPECT_EQ(waiting[2].ended().cause, FinishCause::queue_full);
  EXPECT_EQ(waiting[2].finish, FinishReason::error);
  EXPECT_NE(waiting[2].error, "");
  EXPECT_EQ(waiting[1].ended().cause, FinishCause::displaced);
  EXPECT_EQ(waiting[0].ended().finish, FinishReason::length);
  EXPECT_EQ(important.ended().finish, FinishReason::length);
  EXPECT_LT(important.usage.first_token_us, waiting[0].usage.first_token_us);
  EXPECT_EQ(rejected(RejectReason::queue_full), 1U);
  EXPECT_EQ(rejected(RejectReason::displaced), 1U);
  EXPECT_EQ(finished(FinishReason::error), 0U);
  EXPECT_GE(thread->retry_after_s(), 1U);
}

TEST_F(EngineThreadTest, TheQueueIsBoundedByTokensToo) {
  start(config({.max_context = 256, .max_seqs = 1, .max_queue_tokens = 100}));
  Gate gate;
  Answer running;
  submit_gated(running, gate);
  Answer first;
  Answer second;
  ASSERT_TRUE(thread->submit(request(first, 120)).has_value());
  ASSERT_TRUE(thread->submit(request(second, 20)).has_value());
  gate.open.count_down();
  EXPECT_EQ(second.ended().cause, FinishCause::queue_tokens_full);
  EXPECT_EQ(first.ended().finish, FinishReason::length) << "larger than the bound, but alone";
  EXPECT_EQ(rejected(RejectReason::queue_tokens_full), 1U);
}

TEST_F(EngineThreadTest, DeadlinesEndWhatWaitsAndWhatRuns) {
  start(config({.max_context = 256, .max_seqs = 1}));
  Gate gate;
  Answer running;
  submit_gated(running, gate);
  Answer in_queue;
  Answer before_token;
  Answer in_time;
  Request r = request(in_queue);
  r.deadlines.queue_us = 1;
  ASSERT_TRUE(thread->submit(std::move(r)).has_value());
  r = request(before_token);
  r.deadlines.first_token_us = 1;
  ASSERT_TRUE(thread->submit(std::move(r)).has_value());
  ASSERT_TRUE(thread->submit(request(in_time)).has_value());
  gate.open.count_down();
  EXPECT_EQ(in_queue.ended().cause, FinishCause::queue_timeout);
  EXPECT_EQ(in_queue.finish, FinishReason::timeout);
  EXPECT_EQ(before_token.ended().cause, FinishCause::first_token_timeout);
  EXPECT_EQ(in_time.ended().finish, FinishReason::length);
  Answer expired;
  r = request(expired);
  r.deadlines.total_us = 1;
  ASSERT_TRUE(thread->submit(std::move(r)).has_value());
  EXPECT_EQ(expired.ended().cause, FinishCause::total_timeout) << "on an idle engine too";
}

TEST_F(EngineThreadTest, ListsWhatIsLiveWithStatesAndPositions) {
  start(config({.max_context = 256, .max_seqs = 1}));
  Answer warm;
  ASSERT_TRUE(thread->submit(request(warm, 5, 2)).has_value());
  warm.ended();
  Gate gate;
  Answer running;
  std::vector<Answer> waiting(2);
  submit_gated(running, gate);
  for (Answer& answer : waiting) {
    Request r = request(answer, 30);
    r.client_id = "req-x";
    ASSERT_TRUE(thread->submit(std::move(r)).has_value());
  }
  const auto live = thread->live();
  ASSERT_EQ(live.size(), 3U);
  EXPECT_EQ(live[2].client_id, "req-x");
  EXPECT_EQ(live[2].state, LiveRequest::State::queued);
  EXPECT_EQ(live[2].prompt_tokens, 30U);
  const EngineSnapshot snapshot = thread->snapshot();
  EXPECT_GT(snapshot.kv_pool_bytes, 0U);
  EXPECT_GT(snapshot.weights_bytes, 0U);
  EXPECT_GT(snapshot.oldest_waiting_us, 0);
  gate.open.count_down();
  for (Answer& answer : waiting) {
    answer.ended();
  }
}

TEST_F(EngineThreadTest, GoingAwayEndsEverything) {
  start(config({.max_context = 256, .max_seqs = 1}));
  std::vector<Answer> answers(4);
  for (Answer& answer : answers) {
    ASSERT_TRUE(thread->submit(request(answer, 20, 200)).has_value());
  }
  thread.reset();
  for (Answer& answer : answers) {
    answer.ended();
    EXPECT_TRUE(answer.finish == FinishReason::cancelled || answer.finish == FinishReason::length);
  }
  EXPECT_EQ(answers[3].finish, FinishReason::cancelled);
}

TEST_F(EngineThreadTest, AnExceptionInOneCallbackEndsThatRequestOnly) {
  start(config());
  Gate gate;
  Answer gated;
  submit_gated(gated, gate);
  Answer throwing;
  Answer other;
  Request r = request(throwing);
  r.on_event = [&](const TokenEvent& event) {
    throwing.take(event);
    if (throwing.tokens.size() == 2 && !event.finish) {
      throw std::runtime_error("a client's bug");
    }
  };
  ASSERT_TRUE(thread->submit(std::move(r)).has_value());
  ASSERT_TRUE(thread->submit(request(other)).has_value());
  gate.open.count_down();
  EXPECT_EQ(throwing.ended().finish, FinishReason::error);
  EXPECT_EQ(throwing.error, "[request] a client's bug");
  EXPECT_EQ(other.ended().finish, FinishReason::length);
  EXPECT_EQ(gated.ended().finish, FinishReason::length);
  EXPECT_EQ(finished(FinishReason::error), 1U);
}

TEST_F(EngineThreadTest, OutOfMemoryWithinAStepEndsItsRequestsAndTheEngineGoesOn) {
  start(config());
  Gate gate;
  Answer first;
  Answer second;
  submit_gated(first, gate);
  ASSERT_TRUE(thread->submit(request(second)).has_value());
  n_faults = 1;
  gate.open.count_down();
  for (Answer* const answer : {&first, &second}) {
    EXPECT_EQ(answer->ended().finish, FinishReason::error);
    EXPECT_EQ(answer->error_kind, ErrorKind::out_of_memory);
    EXPECT_EQ(answer->error, "[engine] out of memory");
  }
  Answer later;
  ASSERT_TRUE(thread->submit(request(later)).has_value());
  EXPECT_EQ(later.ended().finish, FinishReason::length);
  EXPECT_EQ(later.tokens.size(), 8U);
}

TEST_F(EngineThreadTest, AStepThatLastsTooLongShowsAndIsLoggedOnce) {
  std::atomic<int> n_lines{0};
  EngineThreadConfig impatient = config();
  impatient.stuck_after_ms = 0;
  start(impatient, Log([&](LogLevel level, std::string_view) {
          n_lines += level == LogLevel::error ? 1 : 0;
        }));
  EXPECT_FALSE(thread->is_stuck());
  EXPECT_EQ(thread->step_age_ms(), 0);
  Gate gate;
  Answer answer;
  submit_gated(answer, gate);
  EXPECT_TRUE(thread->is_stuck());
  EXPECT_TRUE(thread->is_stuck());
  EXPECT_EQ(n_lines, 2) << "the step before, told at its end, and this one, told when asked";
  EXPECT_EQ(metrics.n_stuck_steps, 2U);
  gate.open.count_down();
  answer.ended();
  thread.reset();
  EXPECT_GE(n_lines, 8) << "the other steps, told at their end";
}

TEST_F(EngineThreadTest, ChecksThePoolOnceWhenIdle) {
  std::promise<void> checked;
  start(config(), Log([&](LogLevel level, std::string_view line) {
          if (level == LogLevel::debug && line == "idle; the block pool is whole") {
            checked.set_value();  // a second time would throw
          }
        }));
  checked.get_future().wait();
  thread.reset();
}

}  // namespace
}  // namespace quern
