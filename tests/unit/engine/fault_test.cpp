// A fault while requests run ends those that it concerns, with an error, and nothing else.
#include <gtest/gtest.h>

#include <thread>

#include "engine/engine.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace quern {
namespace {

struct Answer {
  std::vector<TokenId> tokens;
  std::optional<FinishReason> finish;
  std::string error;
  ErrorKind error_kind = ErrorKind::usage;
};

class FaultTest : public testing::Test {
 protected:
  void SetUp() override {
    test::write_tiny_model(path(), {.dtype = DType::q4_0});
    auto loaded = LoadedModel::load(
        {.path = path(), .n_threads = 1, .max_batch_tokens = 64, .max_seqs = 8}, Log());
    ASSERT_TRUE(loaded.has_value()) << loaded.error().to_string();
    loaded_ = std::move(*loaded);
    auto engine = Engine::create(
        *loaded_,
        {.max_context = 256, .kv_bytes = 8 << 20, .max_seqs = 8, .fail_points = &points_});
    ASSERT_TRUE(engine.has_value()) << engine.error().to_string();
    engine_ = std::move(*engine);
  }

  std::filesystem::path path() const { return dir_.path() / "tiny.gguf"; }

  // Requests with one whole KV block in common, and then each its own.
  Request request(int32_t i, Answer& answer) const {
    Request r;
    for (int32_t k = 0; k < 20; ++k) {
      r.prompt.push_back(TokenId{3 + (k < 16 ? k : k * (i + 1)) % 250});
    }
    r.max_tokens = 10;
    r.sampling.seed = static_cast<uint64_t>(1000 + i);
    r.sampling.ignore_eos = true;  // all answers have the same length
    r.sampling.end_tokens = {TokenId{2}};
    r.on_event = [&answer](const TokenEvent& event) {
      if (event.token != kNoToken) {
        answer.tokens.push_back(event.token);
      }
      if (event.finish) {
        answer.finish = event.finish;
        answer.error = event.error;
        answer.error_kind = event.error_kind;
      }
    };
    return r;
  }

  void submit(int32_t i, Answer& answer) {
    ASSERT_TRUE(engine_->submit(request(i, answer)).has_value());
  }
  void run_all() {
    while (engine_->has_work()) {
      engine_->step();
    }
    engine_->step();  // hands over what ended last
  }
  std::vector<Answer> run(int32_t n) {
    std::vector<Answer> answers(static_cast<size_t>(n));
    for (int32_t i = 0; i < n; ++i) {
      submit(i, answers[static_cast<size_t>(i)]);
    }
    run_all();
    return answers;
  }
  // What each of the first `n` requests answers when it is alone.
  std::vector<Answer> run_alone(int32_t n) {
    std::vector<Answer> answers(static_cast<size_t>(n));
    for (int32_t i = 0; i < n; ++i) {
      submit(i, answers[static_cast<size_t>(i)]);
      run_all();
      EXPECT_EQ(answers[static_cast<size_t>(i)].finish, FinishReason::length);
    }
    return answers;
  }
  uint64_t n_faults(FailPoint point) const {
    return engine_->stats().n_faults[static_cast<size_t>(point)];
  }

  test::TempDir dir_;
  FailPoints points_;
  std::unique_ptr<LoadedModel> loaded_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(FaultTest, NaNEndsOneRequestAndTheOthersOfItsBatchAnswerAsAlone) {
  const auto alone = run_alone(3);
  points_.arm(FailPoint::nan_logits, {.after = 13});  // three draws a step
  const auto together = run(3);
  int n_failed = 0;
  for (size_t i = 0; i < 3; ++i) {
    if (together[i].finish == FinishReason::error) {
      ++n_failed;
      EXPECT_EQ(together[i].tokens.size(), 4U);
      EXPECT_NE(together[i].error.find("NaN"), std::string::npos) << together[i].error;
      EXPECT_TRUE(std::ranges::equal(together[i].tokens, std::span(alone[i].tokens).first(4)));
    } else {
      EXPECT_EQ(together[i].tokens, alone[i].tokens) << i;
    }
  }
  EXPECT_EQ(n_failed, 1);
  EXPECT_EQ(n_faults(FailPoint::nan_logits), 1U);
  EXPECT_EQ(engine_->stats().kv_blocks_used, 0U);
  const auto again = run(3);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(again[i].tokens, alone[i].tokens) << i;
  }
}

TEST_F(FaultTest, ADeviceErrorEndsTheRequestsOfItsStepAndTheEngineGoesOn) {
  const auto alone = run_alone(3);
  std::vector<Answer> answers(3);
  submit(0, answers[0]);
  submit(1, answers[1]);
  engine_->step();
  engine_->step();
  points_.arm(FailPoint::kernel_result, {});
  engine_->step();
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(answers[i].finish, FinishReason::error);
    EXPECT_EQ(answers[i].error_kind, ErrorKind::device);
    EXPECT_EQ(answers[i].tokens.size(), 2U) << "none of the failed step";
  }
  EXPECT_EQ(n_faults(FailPoint::kernel_result), 1U);
  EXPECT_EQ(engine_->stats().kv_blocks_used, 0U);
  submit(2, answers[2]);
  run_all();
  EXPECT_EQ(answers[2].tokens, alone[2].tokens);
}

// The step that failed had written no KV: what it should have written must not be found later.
TEST_F(FaultTest, NothingOfAFailedStepIsReused) {
  Answer failed;
  points_.arm(FailPoint::kernel_result, {});
  submit(0, failed);
  run_all();
  EXPECT_EQ(failed.finish, FinishReason::error);
  EXPECT_TRUE(failed.tokens.empty());
  const auto after = run_alone(1);
  EXPECT_EQ(engine_->stats().n_cache_hit_tokens, 0U);
  const auto cached = run(1);
  EXPECT_EQ(engine_->stats().n_cache_hit_tokens, 16U);
  EXPECT_EQ(cached[0].tokens, after[0].tokens);
}

TEST_F(FaultTest, ARequestWithoutMemoryIsRefusedAndTheNextOneRuns) {
  const auto alone = run_alone(2);
  std::vector<Answer> answers(2);
  submit(0, answers[0]);
  engine_->step();
  points_.arm(FailPoint::allocation, {});
  Answer refused;
  submit(1, refused);
  EXPECT_EQ(refused.finish, FinishReason::error) << "at once";
  EXPECT_EQ(refused.error_kind, ErrorKind::out_of_memory);
  EXPECT_EQ(n_faults(FailPoint::allocation), 1U);
  submit(1, answers[1]);
  run_all();
  EXPECT_EQ(answers[0].tokens, alone[0].tokens);
  EXPECT_EQ(answers[1].tokens, alone[1].tokens);
}

TEST_F(FaultTest, AStuckStepGivesNothingUntilItIsReleasedAndThenTheSame) {
  const auto alone = run_alone(1);
  Answer answer;
  submit(0, answer);
  points_.arm(FailPoint::stuck_step, {.after = 3});
  std::thread stepper([&] { run_all(); });
  points_.wait_until_blocked(FailPoint::stuck_step);
  EXPECT_EQ(answer.tokens.size(), 3U);
  EXPECT_EQ(answer.finish, std::nullopt);
  points_.release(FailPoint::stuck_step);
  stepper.join();
  EXPECT_EQ(answer.tokens, alone[0].tokens);
}

TEST_F(FaultTest, AModelOutlivesItsFile) {
  const auto before = run_alone(2);
  std::filesystem::resize_file(path(), 0);
  const auto after = run(2);
  EXPECT_EQ(after[0].tokens, before[0].tokens);
  EXPECT_EQ(after[1].tokens, before[1].tokens);
}

}  // namespace
}  // namespace quern
