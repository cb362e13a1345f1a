// The library as its users have it: through quern.h and quern.hpp alone, linked with libquern.so.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "quern/quern.hpp"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace quern::api {
namespace {

constexpr uint64_t kTalkativeSeed = 7;  // the tiny model does not end its answer at once

class LibraryTest : public testing::Test {
 protected:
  void SetUp() override {
    quern::test::write_tiny_model(path(), {.n_layers = 1,
                                           .n_heads = 2,
                                           .n_kv_heads = 1,
                                           .d_model = 64,
                                           .d_ff = 64,
                                           .max_context = 512});
    auto model = Model::load(path(), {.n_threads = 1, .max_requests = 4});
    ASSERT_TRUE(model.has_value()) << model.error().message;
    model_.emplace(std::move(*model));
  }
  std::string path() const { return (dir_.path() / "tiny.gguf").string(); }

  Result generate(const std::string& prompt, const GenerateOptions& options) {
    auto answer = model_->generate(prompt, options);
    EXPECT_TRUE(answer.has_value()) << answer.error().message;
    auto result = answer->wait();
    EXPECT_TRUE(result.has_value()) << result.error().message;
    return *result;
  }

  quern::test::TempDir dir_;
  std::optional<Model> model_;
};

TEST_F(LibraryTest, GeneratesWithPiecesThatMakeTheText) {
  std::string pieces;
  const Result result = generate(
      "hello", {.max_tokens = 20, .seed = kTalkativeSeed, .on_text = [&](std::string_view text) {
                  pieces += text;
                  return true;
                }});
  EXPECT_FALSE(pieces.empty());
  EXPECT_EQ(pieces, result.text);
  EXPECT_LE(result.numbers.completion_tokens, 20U);
  EXPECT_GT(result.numbers.prompt_tokens, 4U);
  EXPECT_EQ(result.numbers.seed, kTalkativeSeed);
  EXPECT_GE(result.numbers.total_us, result.numbers.first_token_us);
}

TEST_F(LibraryTest, RunsMoreRequestsThanABatchUsuallyHasRows) {
  const auto model =
      Model::load(path(), {.n_threads = 1, .max_requests = 600, .kv_bytes = 1 << 20});
  EXPECT_TRUE(model.has_value()) << model.error().message;
}

TEST_F(LibraryTest, ASeededAnswerIsTheSameFromManyThreads) {
  std::vector<std::string> alone;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    alone.push_back(generate("once", {.max_tokens = 16, .seed = seed}).text);
  }
  std::vector<std::string> together(alone.size());
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < alone.size(); ++seed) {
    threads.emplace_back(
        [&, seed] { together[seed] = generate("once", {.max_tokens = 16, .seed = seed}).text; });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(together, alone);
}

// The engine may have reached the end before the callback was asked: then that is the end.
TEST_F(LibraryTest, ACallbackThatSaysNoIsNotAskedAgain) {
  uint32_t n_calls = 0;
  auto answer =
      model_->generate("hello", {.seed = kTalkativeSeed, .on_text = [&](std::string_view) {
                                   ++n_calls;
                                   return false;
                                 }});
  ASSERT_TRUE(answer.has_value());
  const auto result = answer->wait();
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(n_calls, 1U);
}

TEST_F(LibraryTest, WhatACallbackThrowsReachesWhoWaits) {
  auto answer = model_->generate(
      "hello", {.seed = kTalkativeSeed,
                .on_text = [](std::string_view) -> bool { throw std::runtime_error("mine"); }});
  ASSERT_TRUE(answer.has_value());
  EXPECT_THROW(static_cast<void>(answer->wait()), std::runtime_error);
}

TEST_F(LibraryTest, CancelFromAnotherThreadEndsTheWait) {
  auto answer = model_->generate("hello", {.temperature = 0.0F});
  ASSERT_TRUE(answer.has_value());
  std::thread canceller([&] { answer->cancel(); });
  EXPECT_TRUE(answer->wait().has_value());
  canceller.join();
}

TEST_F(LibraryTest, AnAnswerMayOutliveItsModel) {
  auto answer = model_->generate("hello", {});
  ASSERT_TRUE(answer.has_value());
  model_.reset();
  const auto result = answer->wait();
  EXPECT_TRUE(result.has_value()) << result.error().message;
}

TEST_F(LibraryTest, EmbeddingsHaveLengthOne) {
  const auto vector = model_->embed("hello");
  ASSERT_TRUE(vector.has_value()) << vector.error().message;
  ASSERT_EQ(vector->size(), 64U);
  double square = 0.0;
  for (const float value : *vector) {
    square += double{value} * double{value};
  }
  EXPECT_NEAR(square, 1.0, 1e-5);
}

TEST_F(LibraryTest, AStopTextEndsTheAnswerBeforeIt) {
  GenerateOptions options{.max_tokens = 20, .seed = kTalkativeSeed};
  const std::string whole = generate("hello", options).text;
  const auto is_plain = [](char c) { return c >= ' ' && c < 0x7F; };
  const auto plain = std::find_if(whole.begin(), whole.end(), is_plain);
  ASSERT_NE(plain, whole.end());
  const std::string stop(1, *plain);
  options.stop = {stop};
  const Result cut = generate("hello", options);
  EXPECT_EQ(cut.text, whole.substr(0, whole.find(stop)));
  EXPECT_EQ(cut.numbers.finish, QUERN_FINISH_STOP);
}

TEST_F(LibraryTest, AnAnswerEndsByLengthAtItsLimit) {
  const Result result = generate("hello", {.max_tokens = 3, .seed = kTalkativeSeed});
  EXPECT_EQ(result.numbers.finish, QUERN_FINISH_LENGTH);
  EXPECT_EQ(result.numbers.completion_tokens, 3U);
}

TEST_F(LibraryTest, TellsHowFarALoadHasCome) {
  std::vector<uint64_t> done;
  uint64_t total = 0;
  const auto model =
      Model::load(path(), {.n_threads = 1, .on_progress = [&](uint64_t now, uint64_t all) {
                             done.push_back(now);
                             total = all;
                           }});
  ASSERT_TRUE(model.has_value()) << model.error().message;
  ASSERT_FALSE(done.empty());
  EXPECT_TRUE(std::ranges::is_sorted(done));
  EXPECT_EQ(done.back(), total);
  EXPECT_GT(total, 0U);
  EXPECT_LE(total, model->stats().weights_bytes);
}

TEST_F(LibraryTest, TellsItsVersionAndTheModelsContext) {
  const std::string version = quern_version();
  EXPECT_EQ(std::ranges::count(version, '.'), 2) << version;
  EXPECT_EQ(version.find_first_not_of("0123456789."), std::string::npos) << version;
  EXPECT_EQ(model_->context_tokens(), 512U);
  EXPECT_EQ(Model::load(path(), {.n_threads = 1, .context_tokens = 64})->context_tokens(), 64U);
}

TEST_F(LibraryTest, TellsItsNumbers) {
  // The last event of a request comes out of its last step, which is counted after it.
  generate("hello", {.max_tokens = 5, .temperature = 0.0F});
  generate("hello", {.max_tokens = 5, .temperature = 0.0F});
  const quern_stats stats = model_->stats();
  EXPECT_GT(stats.steps, 0U);
  EXPECT_GT(stats.prompt_tokens, 4U);
  EXPECT_GT(stats.weights_bytes, 100'000U);
}

TEST_F(LibraryTest, AnOlderProgramsShortStructIsWrittenWithinItsBounds) {
  quern_model* model = nullptr;
  ASSERT_EQ(quern_model_load(path().c_str(), nullptr, &model), nullptr);
  quern_stats stats{};
  stats.struct_size = offsetof(quern_stats, prompt_tokens);
  stats.prompt_tokens = 4711;
  quern_get_stats(model, &stats);
  EXPECT_EQ(stats.prompt_tokens, 4711U);
  quern_model_free(model);
}

// The code of an error, which is freed.
quern_code code_of(quern_error* error) {
  const quern_code code = quern_error_code(error);
  quern_error_free(error);
  return code;
}

TEST_F(LibraryTest, MissingArgumentsAreRefused) {
  quern_model* model = nullptr;
  ASSERT_EQ(quern_model_load(path().c_str(), nullptr, &model), nullptr);
  quern_generate_options options;
  quern_generate_options_init(model, &options);
  quern_request* request = nullptr;
  EXPECT_EQ(code_of(quern_generate(nullptr, &options, &request)), QUERN_INVALID_INPUT);
  EXPECT_EQ(code_of(quern_generate(model, nullptr, &request)), QUERN_INVALID_INPUT);
  EXPECT_EQ(code_of(quern_generate(model, &options, nullptr)), QUERN_INVALID_INPUT);
  options.prompt = "hi";
  const char* const stop[] = {"x", nullptr};
  options.stop = stop;
  options.n_stop = 2;
  EXPECT_EQ(code_of(quern_generate(model, &options, &request)), QUERN_INVALID_INPUT);
  float value = 0;
  EXPECT_EQ(code_of(quern_embed(model, nullptr, &value)), QUERN_INVALID_INPUT);
  EXPECT_EQ(code_of(quern_embed(model, "hi", nullptr)), QUERN_INVALID_INPUT);
  EXPECT_EQ(code_of(quern_embed(nullptr, "hi", &value)), QUERN_INVALID_INPUT);
  EXPECT_EQ(code_of(quern_wait(nullptr, nullptr)), QUERN_INVALID_INPUT);
  quern_model_free(model);
}

TEST_F(LibraryTest, RefusesWhatItDoesNotUnderstand) {
  EXPECT_EQ(Model::load(path(), {.max_requests = 0}).error().code, QUERN_INVALID_INPUT);
  EXPECT_EQ(Model::load("/nowhere.gguf").error().code, QUERN_NOT_FOUND);
  const auto broken = dir_.write("broken.gguf", "this is no model");
  const auto refused = Model::load(broken.string());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, QUERN_INVALID_INPUT);
  EXPECT_NE(refused.error().message.find("broken.gguf"), std::string::npos);
  EXPECT_EQ(model_->chat({{.role = "user", .content = "hi"}}).error().code, QUERN_UNSUPPORTED);
  EXPECT_EQ(model_->generate("hi", {.temperature = -1.0F}).error().code, QUERN_INVALID_INPUT);
  EXPECT_EQ(model_->generate(std::string(4000, 'x')).error().code, QUERN_INVALID_INPUT);

  quern_model* model = nullptr;
  ASSERT_EQ(quern_model_load(path().c_str(), nullptr, &model), nullptr);
  quern_generate_options options;
  quern_generate_options_init(model, &options);
  quern_request* request = nullptr;
  quern_error* error = quern_generate(model, &options, &request);
  EXPECT_EQ(quern_error_code(error), QUERN_INVALID_INPUT);  // neither prompt nor messages
  quern_error_free(error);
  options.prompt = "hi";
  options.struct_size = sizeof(options) + 8;
  error = quern_generate(model, &options, &request);
  EXPECT_EQ(quern_error_code(error), QUERN_INVALID_INPUT);
  quern_error_free(error);
  error = quern_model_load(nullptr, nullptr, nullptr);
  EXPECT_EQ(quern_error_code(error), QUERN_INVALID_INPUT);
  quern_error_free(error);
  EXPECT_EQ(quern_error_code(nullptr), QUERN_OK);
  quern_error_free(nullptr);
  quern_request_free(nullptr);
  quern_model_free(model);
  quern_model_free(nullptr);
}

}  // namespace
}  // namespace quern::api
