// The step loop: many requests on one model end as each does alone.
#include "engine/engine.h"

#include <gtest/gtest.h>

#include <map>

#include "base/system_info.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace quern {
namespace {

struct Answer {
  std::vector<TokenId> tokens;
  std::optional<FinishReason> finish;
  RequestUsage usage;
};

class EngineTest : public testing::Test {
 protected:
  void SetUp() override { test::write_tiny_model(path(), {.dtype = DType::q4_0}); }

  std::filesystem::path path() const { return dir_.path() / "tiny.gguf"; }

  void open(uint32_t n_threads, uint64_t kv_bytes) {
    auto loaded = LoadedModel::load(
        {.path = path(), .n_threads = n_threads, .max_batch_tokens = 48, .max_seqs = 16}, Log());
    ASSERT_TRUE(loaded.has_value()) << loaded.error().to_string();
    engine_.reset();
    loaded_ = std::move(*loaded);
    auto engine =
        Engine::create(*loaded_, {.max_context = 256, .kv_bytes = kv_bytes, .max_seqs = 16});
    ASSERT_TRUE(engine.has_value()) << engine.error().to_string();
    engine_ = std::move(*engine);
  }

  Request request(uint32_t i, Answer& answer) const {
    Request r;
    for (uint32_t k = 0; k < 20 + 13 * i; ++k) {
      r.prompt.push_back(TokenId{static_cast<int32_t>(3 + (k < 40 ? k : k * i) % 250)});
    }
    r.max_tokens = 12 + i;
    r.sampling.seed = 1000 + i;
    r.on_event = [&answer](const TokenEvent& event) {
      if (event.token != kNoToken) {
        answer.tokens.push_back(event.token);
      }
      if (event.finish) {
        answer.finish = event.finish;
        answer.usage = event.usage;
      }
    };
    return r;
  }

  // Submits requests [first, last) at once and runs them all.
  std::vector<Answer> run(uint32_t first, uint32_t last) {
    std::vector<Answer> answers(last - first);
    for (uint32_t i = first; i < last; ++i) {
      const auto id = engine_->submit(request(i, answers[i - first]));
      EXPECT_TRUE(id.has_value());
    }
    while (engine_->has_work()) {
      engine_->step();
    }
    engine_->step();  // hands over what ended last
    return answers;
  }

  test::TempDir dir_;
  std::unique_ptr<LoadedModel> loaded_;
  std::unique_ptr<Engine> engine_;
};

constexpr uint64_t kRoomyPool = 8 << 20;
// 20 blocks of 16 tokens: 2 layers, 4 KV heads of 32 dimensions, f16. Ten requests want three times
// that.
constexpr uint64_t kTightPool = uint64_t{20} * 2 * 2 * 4 * 32 * 16 * 2;

TEST_F(EngineTest, SeededAnswersAreTheSameAloneTogetherAndPreempted) {
  std::vector<Answer> alone;
  for (uint32_t i = 0; i < 10; ++i) {
    open(1, kRoomyPool);
    alone.push_back(run(i, i + 1)[0]);
    EXPECT_EQ(alone[i].finish == FinishReason::length || alone[i].finish == FinishReason::stop,
              true);
    EXPECT_EQ(alone[i].usage.prompt_tokens, 20 + 13 * i);
    EXPECT_EQ(alone[i].usage.completion_tokens, alone[i].tokens.size());
  }
  for (const uint64_t kv_bytes : {kRoomyPool, kTightPool}) {
    open(2, kv_bytes);
    const auto together = run(0, 10);
    for (uint32_t i = 0; i < 10; ++i) {
      EXPECT_EQ(together[i].tokens, alone[i].tokens) << "request " << i << ", pool " << kv_bytes;
    }
    EXPECT_EQ(engine_->stats().kv_blocks_used, 0U);
  }
}

TEST_F(EngineTest, ASecondRequestTakesItsPromptFromTheCacheAndAnswersTheSame) {
  open(2, kRoomyPool);
  const auto first = run(5, 6);
  const auto second = run(5, 6);
  EXPECT_EQ(second[0].tokens, first[0].tokens);
  EXPECT_EQ(first[0].usage.cached_tokens, 0U);
  // The prompt has 85 tokens: five full blocks of 16, and one token at least is always computed.
  EXPECT_EQ(second[0].usage.cached_tokens, 80U);
}

TEST_F(EngineTest, RefusesWhatCannotRun) {
  open(1, kRoomyPool);
  Answer answer;
  Request empty = request(0, answer);
  empty.prompt.clear();
  EXPECT_EQ(engine_->submit(std::move(empty)).error().what, "the prompt is empty");
  Request longer = request(0, answer);
  longer.prompt.assign(256, TokenId{5});
  EXPECT_EQ(engine_->submit(std::move(longer)).error().what,
            "the prompt has 256 tokens, the context holds 256");
  Request foreign = request(0, answer);
  foreign.prompt[3] = TokenId{300};
  EXPECT_FALSE(engine_->submit(std::move(foreign)).has_value());
  Request wrong = request(0, answer);
  wrong.sampling.top_p = 2.0F;
  EXPECT_FALSE(engine_->submit(std::move(wrong)).has_value());
  EXPECT_FALSE(engine_->has_work());
}

// Embeddings are often padded to a round number of rows, whose logits are noise.
TEST_F(EngineTest, DrawsOnlyTokensOfTheVocabulary) {
  test::write_tiny_model(path(), {.dtype = DType::q4_0, .n_padding_rows = 900});
  open(1, kRoomyPool);
  Answer answer;
  Request r = request(0, answer);
  r.max_tokens = 100;
  r.sampling.temperature = 1000.0F;
  r.sampling.ignore_eos = true;
  ASSERT_TRUE(engine_->submit(std::move(r)).has_value());
  while (engine_->has_work()) {
    engine_->step();
  }
  EXPECT_EQ(answer.tokens.size(), 100U);
  for (const TokenId token : answer.tokens) {
    EXPECT_LT(value(token), 300);
  }
}

// The first answer's listener holds the step up until the deadlines of the others have passed.
TEST_F(EngineTest, ATokenThatComesAfterItsDeadlineIsNotHandedOut) {
  open(1, kRoomyPool);
  constexpr int64_t kSoonUs = 50'000;
  const int64_t deadline_us = monotonic_us() + kSoonUs;
  std::vector<Answer> answers(3);
  std::vector<FinishCause> causes(3);
  for (uint32_t i = 0; i < 3; ++i) {
    Request one = request(0, answers[i]);
    one.max_tokens = 1;
    one.deadlines.first_token_us = i == 1 ? deadline_us : kNoDeadline;
    one.deadlines.total_us = i == 2 ? deadline_us : kNoDeadline;
    one.on_event = [=, &causes, note = std::move(one.on_event)](const TokenEvent& event) {
      while (i == 0 && monotonic_us() < deadline_us) {
      }
      causes[i] = event.cause;
      note(event);
    };
    one.prompt.resize(4);
    one.prompt[0] = TokenId{static_cast<int32_t>(100 + i)};  // none waits for another's blocks
    ASSERT_TRUE(engine_->submit(std::move(one)));
  }
  while (engine_->has_work()) {
    engine_->step();
  }
  engine_->step();
  EXPECT_EQ(answers[0].tokens.size(), 1U);
  for (const size_t late : {1U, 2U}) {
    EXPECT_EQ(answers[late].finish, FinishReason::timeout);
    EXPECT_EQ(answers[late].tokens.size(), 0U);
  }
  EXPECT_EQ(causes[1], FinishCause::first_token_timeout);
  EXPECT_EQ(causes[2], FinishCause::total_timeout);
}

// vLLM looks for stop strings in what comes after min_tokens only.
TEST_F(EngineTest, AStopStringEndsNothingBeforeMinTokens) {
  open(1, kRoomyPool);
  const auto n_tokens = [&](uint64_t min_tokens) {
    Answer answer;
    Request one = request(0, answer);
    one.sampling.temperature = 0;
    one.sampling.logit_bias = {{.token = TokenId{75}, .bias = 100.0F}};
    one.sampling.min_tokens = min_tokens;
    one.stop = {std::string(loaded_->tokenizer().token_bytes(TokenId{75}))};
    EXPECT_TRUE(engine_->submit(std::move(one)));
    while (engine_->has_work()) {
      engine_->step();
    }
    engine_->step();
    EXPECT_EQ(answer.finish, FinishReason::stop);
    return answer.tokens.size();
  };
  EXPECT_EQ(n_tokens(0), 1U);
  EXPECT_EQ(n_tokens(5), 6U);
}

TEST_F(EngineTest, ACancelledRequestEndsAndTheOthersGoOn) {
  open(1, kRoomyPool);
  std::vector<Answer> answers(2);
  const auto first = engine_->submit(request(2, answers[0]));
  const auto second = engine_->submit(request(3, answers[1]));
  ASSERT_TRUE(first.has_value() && second.has_value());
  engine_->step();
  EXPECT_TRUE(engine_->cancel(*first));
  EXPECT_FALSE(engine_->cancel(SeqId{999}));
  while (engine_->has_work()) {
    engine_->step();
  }
  engine_->step();
  EXPECT_EQ(answers[0].finish, FinishReason::cancelled);
  EXPECT_EQ(answers[1].finish, FinishReason::length);
}

TEST_F(EngineTest, GivesTheLogitsOfEveryPromptPosition) {
  open(1, kRoomyPool);
  std::map<uint32_t, size_t> rows;
  Request r;
  r.prompt.assign(60, TokenId{7});  // more than a batch holds
  r.on_logits = [&](uint32_t position, std::span<const float> logits) {
    rows[position] = logits.size();
  };
  ASSERT_TRUE(engine_->submit(std::move(r)).has_value());
  while (engine_->has_work()) {
    engine_->step();
  }
  EXPECT_EQ(rows.size(), 60U);
  EXPECT_EQ(rows.rbegin()->first, 59U);
  EXPECT_EQ(rows[59], 300U);
}

}  // namespace
}  // namespace quern
