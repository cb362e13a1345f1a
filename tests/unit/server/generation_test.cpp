// Answers being made on a real engine with a tiny random model, seen from a handler.
#include "server/generation.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/system_info.h"
#include "engine/sampling_defaults.h"
#include "server/generation_group.h"
#include "server/live_requests.h"
#include "server/metrics_page.h"
#include "server/offload.h"
#include "server/ollama_models.h"
#include "server/openai_models.h"
#include "server/response_store.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace quern::server {
namespace {

// What a connection is to a handler, without one.
class FakeExchange final : public Exchange {
 public:
  explicit FakeExchange(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {
    http.request_id = "test-id";
  }
  const HttpRequest& request() const override { return http; }
  boost::asio::any_io_executor executor() const override { return executor_; }
  Task send(HttpResponse response) override {
    sent = std::move(response);
    co_return;
  }
  Task begin_stream(StreamHead /*head*/) override {
    has_stream = true;
    co_return;
  }
  boost::asio::awaitable<bool> write(std::string /*piece*/) override {
    if (n_writes_left > 0) {
      --n_writes_left;
      co_return true;
    }
    const std::function<void()> listener = std::exchange(gone, nullptr);
    if (listener) {
      listener();
    }
    co_return false;
  }
  Task end_stream() override { co_return; }
  bool has_begun() const override { return has_stream; }
  void on_client_gone(std::function<void()> listener) override { gone = std::move(listener); }
  void count_tokens(uint32_t n_prompt, uint32_t n_completion) override {
    n_prompt_tokens += n_prompt;
    n_completion_tokens += n_completion;
  }

  HttpRequest http;
  HttpResponse sent;
  std::function<void()> gone;
  bool has_stream = false;
  size_t n_writes_left = SIZE_MAX;  // then the reader counts as gone
  uint32_t n_prompt_tokens = 0;
  uint32_t n_completion_tokens = 0;

 private:
  boost::asio::any_io_executor executor_;
};

struct ChoiceText {
  std::string text;
  uint32_t n_tokens = 0;
  std::optional<FinishReason> finish;
  FinishCause cause = FinishCause::none;
};
using Choices = std::map<uint32_t, ChoiceText>;

class GenerationTest : public testing::Test {
 protected:
  std::unique_ptr<ModelManager> make_manager(ModelManagerConfig config = {}) {
    test::write_tiny_model(folder_.path() / "tiny.gguf", {.max_context = 256});
    config.host.model_store = folder_.path();
    config.host.system_ollama.clear();
    config.engine.engine.max_context = 256;
    config.engine.engine.kv_bytes = 8 << 20;
    config.engine.engine.max_seqs = 4;
    config.n_threads = 1;
    config.max_batch_tokens = 32;
    return *ModelManager::create(std::move(config), metrics_, log_);
  }

  using Work = std::function<Task(FakeExchange&)>;
  // Runs a handler to its end.
  void run(const Work& work) {
    boost::asio::io_context io;
    FakeExchange exchange(io.get_executor());
    exchange.http.arrival_us = arrival_us_;
    exchange.http.key_salt = key_salt_;
    std::exception_ptr failure;
    boost::asio::co_spawn(io, work(exchange),
                          [&](const std::exception_ptr& thrown) { failure = thrown; });
    io.run();
    EXPECT_EQ(failure, nullptr);
    n_prompt_logged_ = exchange.n_prompt_tokens;
    n_completion_logged_ = exchange.n_completion_tokens;
  }

  static GenerationSpec spec(uint32_t max_tokens) {
    GenerationSpec spec;
    spec.prompt = {TokenId{70}, TokenId{71}, TokenId{72}};
    spec.sampling.seed = 7;
    spec.sampling.ignore_eos = true;
    spec.max_tokens = max_tokens;
    return spec;
  }

  // Streams `n` generations to a reader that goes away after some writes.
  Task stream_some(FakeExchange& exchange, size_t n, size_t n_writes) {
    GenerationGroup group(exchange);
    for (size_t i = 0; i < n; ++i) {
      ModelWish wish("tiny");
      Api<ModelLease> lease = co_await acquire_model(exchange, context_, std::move(wish));
      GenerationSpec wanted = spec(200);
      wanted.sampling.end_tokens = end_tokens(lease->model().tokenizer());
      group.add(*Generation::start(exchange, context_, {std::move(*lease), std::move(wanted)}));
    }
    exchange.n_writes_left = n_writes;
    EventWriter writer;
    writer.add = [](size_t /*i*/, const GenerationEvent& /*event*/) { return std::string("x"); };
    writer.end = [] { return std::string(); };
    co_await stream_events(group, writer);
  }

  // Gets the model, starts, and collects all.
  Task generate(FakeExchange& exchange, GenerationSpec wanted, Choices& choices) {
    ModelWish wish("tiny");
    Api<ModelLease> lease = co_await acquire_model(exchange, context_, std::move(wish));
    if (!lease) {
      ADD_FAILURE() << lease.error().message;
      co_return;
    }
    wanted.sampling.end_tokens = end_tokens(lease->model().tokenizer());
    auto generation = Generation::start(exchange, context_, {std::move(*lease), std::move(wanted)});
    if (!generation) {
      error_ = generation.error();
      co_return;
    }
    if (started_) {
      started_(**generation, exchange);
    }
    while (true) {
      const std::optional<GenerationEvent> event = co_await (*generation)->next();
      if (!event) {
        break;
      }
      note(*event, choices[event->choice]);
    }
  }

  static void note(const GenerationEvent& event, ChoiceText& choice) {
    for (const AnswerDelta& delta : event.deltas) {
      choice.text += delta.text;
    }
    choice.n_tokens += event.token ? 1 : 0;
    if (event.finish) {
      EXPECT_FALSE(choice.finish.has_value());
      choice.finish = event.finish;
      choice.cause = event.cause;
    }
  }

  std::vector<LiveRequests::Row> rows(const std::string& key_salt = "") const {
    return live_.list(key_salt, monotonic_us());
  }

  // Until the engine has ended all it was given, and the list says so.
  void wait_until_computed(Generation& generation, uint32_t n_tokens) const {
    while (!generation.lease().engine().live().empty() ||
           rows()[0].n_completion_tokens != n_tokens) {
      std::this_thread::yield();
    }
  }

  Choices all(GenerationSpec wanted) {
    Choices choices;
    run([&](FakeExchange& exchange) { return generate(exchange, std::move(wanted), choices); });
    return choices;
  }

  // Why a model is not to be had.
  ApiError refusal_of(const std::string& name, ServerContext& context) {
    ApiError error;
    run([&](FakeExchange& exchange) -> Task {
      ModelWish wish(name);
      const Api<ModelLease> lease = co_await acquire_model(exchange, context, std::move(wish));
      EXPECT_FALSE(lease.has_value());
      error = lease.error();
    });
    return error;
  }

  // What it takes when it is loaded.
  uint64_t bytes_of(const std::string& name, ModelManager& models) {
    ServerContext context = context_with(models);
    run([&](FakeExchange& exchange) -> Task {
      ModelWish wish(name);
      EXPECT_TRUE((co_await acquire_model(exchange, context, std::move(wish))).has_value());
    });
    return models.stats().loaded_bytes;
  }

  // Beside 'tiny', no list has 'broken'.
  void expect_unlisted_broken() {
    const auto listed = [this](Task (*handler)(Exchange&, ServerContext&)) {
      std::string body;
      run([&](FakeExchange& exchange) -> Task {
        exchange.http.path_params = {{"id", "broken"}};
        co_await handler(exchange, context_);
        body = exchange.sent.body;
      });
      return body;
    };
    for (const auto handler : {list_openai_models, ollama_tags}) {
      EXPECT_NE(listed(handler).find("tiny"), std::string::npos);
      EXPECT_EQ(listed(handler).find("broken"), std::string::npos);
    }
    EXPECT_NE(listed(show_openai_model).find("model_not_found"), std::string::npos);
  }

  ServerContext context_with(ModelManager& models) {
    return {.config = config_,
            .models = models,
            .metrics = metrics_,
            .log = log_,
            .live = live_,
            .responses = responses_,
            .offload = offload_,
            .draining = draining_};
  }

  test::TempDir folder_;
  EngineMetrics metrics_;
  Log log_;
  std::unique_ptr<ModelManager> models_ = make_manager();
  ServerConfig config_;
  LiveRequests live_;
  ResponseStore responses_;
  Offload offload_;
  std::atomic<bool> draining_{false};
  ServerContext context_{.config = config_,
                         .models = *models_,
                         .metrics = metrics_,
                         .log = log_,
                         .live = live_,
                         .responses = responses_,
                         .offload = offload_,
                         .draining = draining_};
  int64_t arrival_us_ = 0;
  std::string key_salt_;
  std::function<void(Generation&, FakeExchange&)> started_;
  std::optional<ApiError> error_;
  uint32_t n_prompt_logged_ = 0;
  uint32_t n_completion_logged_ = 0;
};

TEST_F(GenerationTest, GivesEveryChoiceItsOwnDrawWhichASeedRepeats) {
  GenerationSpec wanted = spec(12);
  wanted.n_choices = 3;
  const Choices first = all(wanted);
  const Choices second = all(wanted);
  ASSERT_EQ(first.size(), 3U);
  for (const auto& [choice, answer] : first) {
    EXPECT_EQ(answer.n_tokens, 12U);
    EXPECT_EQ(answer.finish, FinishReason::length);
    EXPECT_EQ(answer.text, second.at(choice).text);
  }
  EXPECT_NE(first.at(0).text, first.at(1).text);
  EXPECT_NE(first.at(1).text, first.at(2).text);
  EXPECT_EQ(all(spec(12)).at(0).text, first.at(0).text);  // alone as among others
}

TEST_F(GenerationTest, CountsItsTokensForTheLog) {
  GenerationSpec wanted = spec(5);
  wanted.n_choices = 2;
  all(std::move(wanted));
  EXPECT_EQ(n_prompt_logged_, 3U);
  EXPECT_EQ(n_completion_logged_, 10U);
}

TEST_F(GenerationTest, FillsTheContextWhenNoLengthIsAsked) {
  const Choices choices = all(spec(0));
  EXPECT_EQ(choices.at(0).n_tokens, 253U);  // 256 - 3
  EXPECT_EQ(choices.at(0).finish, FinishReason::length);
}

TEST_F(GenerationTest, RefusesAPromptThatFillsTheContextWithBothNumbers) {
  GenerationSpec wanted = spec(1);
  wanted.prompt.assign(300, TokenId{70});
  all(std::move(wanted));
  ASSERT_TRUE(error_.has_value());
  EXPECT_EQ(error_->status, 400U);
  EXPECT_EQ(error_->code, "context_length_exceeded");
  EXPECT_EQ(error_->param, "messages");
  EXPECT_NE(error_->message.find("300"), std::string::npos);
  EXPECT_NE(error_->message.find("256"), std::string::npos);
}

TEST_F(GenerationTest, RefusesAnEmptyPromptByItsField) {
  GenerationSpec wanted = spec(1);
  wanted.prompt.clear();
  wanted.prompt_field = "prompt";
  all(std::move(wanted));
  ASSERT_TRUE(error_.has_value());
  EXPECT_EQ(error_->status, 400U);
  EXPECT_EQ(error_->param, "prompt");
  EXPECT_EQ(error_->message, "prompt has no tokens; expected at least one");
}

TEST_F(GenerationTest, EndsAtAStopToken) {
  GenerationSpec wanted = spec(12);
  wanted.sampling.temperature = 0;
  wanted.sampling.logit_bias = {{.token = TokenId{75}, .bias = 100.0F}};
  wanted.stop_tokens = {TokenId{75}};
  const Choices choices = all(std::move(wanted));
  EXPECT_EQ(choices.at(0).finish, FinishReason::stop);
  EXPECT_EQ(choices.at(0).n_tokens, 1U);
  EXPECT_EQ(choices.at(0).text, "");
}

TEST_F(GenerationTest, IsListedWhileItRunsAndCanBeCancelledByItsId) {
  size_t n_listed = 0;
  started_ = [&](Generation&, FakeExchange&) {
    n_listed = rows().size();
    EXPECT_TRUE(live_.cancel({.key_salt = "", .request_id = "test-id"}));
  };
  const Choices choices = all(spec(0));
  EXPECT_EQ(n_listed, 1U);
  EXPECT_EQ(choices.at(0).finish, FinishReason::cancelled);
  EXPECT_TRUE(rows().empty());
}

TEST_F(GenerationTest, IsSeenAndCancelledByItsOwnKeyOnly) {
  key_salt_ = "of-one-key";
  started_ = [&](Generation&, FakeExchange&) {
    for (const std::string other : {"", "of-another-key", "of-one-ke"}) {
      EXPECT_TRUE(rows(other).empty());
      EXPECT_FALSE(live_.cancel({.key_salt = other, .request_id = "test-id"}));
    }
    EXPECT_EQ(rows("of-one-key").size(), 1U);
  };
  EXPECT_EQ(all(spec(5)).at(0).finish, FinishReason::length);
}

// The events wait here for their reader, as they do for a client that reads slowly.
TEST_F(GenerationTest, IsListedWithItsTokensWhenOnlyItsReaderIsSlow) {
  GenerationSpec wanted = spec(9);
  wanted.n_choices = 2;
  std::vector<LiveRequests::Row> seen;
  started_ = [&](Generation& generation, FakeExchange&) {
    wait_until_computed(generation, 18);
    seen = rows();
  };
  all(std::move(wanted));
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].n_completion_tokens, 18U);
}

TEST_F(GenerationTest, IsCancelledThoughOnlyItsReaderIsSlow) {
  started_ = [&](Generation& generation, FakeExchange&) {
    wait_until_computed(generation, 9);
    EXPECT_TRUE(live_.cancel({.key_salt = "", .request_id = "test-id"}));
  };
  const Choices choices = all(spec(9));
  EXPECT_EQ(choices.at(0).finish, FinishReason::cancelled);
  EXPECT_EQ(choices.at(0).text, "");
  EXPECT_TRUE(rows().empty());
}

TEST_F(GenerationTest, EndsWhenItsClientGoesAway) {
  started_ = [&](Generation&, FakeExchange& exchange) { exchange.gone(); };
  EXPECT_EQ(all(spec(0)).at(0).finish, FinishReason::cancelled);
}

TEST_F(GenerationTest, CanBeLeftAtAnyTime) {
  run([&](FakeExchange& exchange) -> Task {
    ModelWish wish("tiny");
    Api<ModelLease> lease = co_await acquire_model(exchange, context_, std::move(wish));
    const auto generation = Generation::start(exchange, context_, {std::move(*lease), spec(0)});
    EXPECT_TRUE(generation.has_value());
  });
  EXPECT_TRUE(rows().empty());
  EXPECT_EQ(all(spec(3)).at(0).n_tokens, 3U);  // the engine goes on
}

TEST_F(GenerationTest, CountsItsDeadlinesFromTheRequestsArrival) {
  arrival_us_ = monotonic_us() - 10'000'000;
  GenerationSpec wanted = spec(0);
  wanted.schedule.queue_timeout_ms = 5'000;  // passed before it came here
  const Choices choices = all(std::move(wanted));
  EXPECT_EQ(choices.at(0).finish, FinishReason::timeout);
  EXPECT_EQ(choices.at(0).cause, FinishCause::queue_timeout);
}

// On an idle server; the queue has no room for all of them at once.
TEST_F(GenerationTest, MakesMoreChoicesThanTheQueueTakes) {
  for (const bool by_tokens : {false, true}) {
    ModelManagerConfig config;
    config.engine.engine.max_queue = by_tokens ? 1024 : 2;
    config.engine.engine.max_queue_tokens = by_tokens ? 7 : 1'000'000;  // a prompt has three
    const std::unique_ptr<ModelManager> models = make_manager(config);
    ServerContext context = context_with(*models);
    GenerationSpec wanted = spec(2);
    wanted.n_choices = 20;
    Choices choices;
    run([&](FakeExchange& exchange) -> Task {
      ModelWish wish("tiny");
      Api<ModelLease> lease = co_await acquire_model(exchange, context, std::move(wish));
      auto generation =
          Generation::start(exchange, context, {std::move(*lease), std::move(wanted)});
      while (true) {
        const std::optional<GenerationEvent> event = co_await (*generation)->next();
        if (!event) {
          break;
        }
        note(*event, choices[event->choice]);
      }
    });
    EXPECT_EQ(choices.size(), 20U);
    for (const auto& [choice, answer] : choices) {
      EXPECT_EQ(answer.finish, FinishReason::length) << choice;
    }
  }
}

TEST_F(GenerationTest, ListsNoModelOfAnUnknownArchitecture) {
  test::write_tiny_model(folder_.path() / "broken.gguf", {.architecture = "strange"});
  EXPECT_EQ(refusal_of("broken", context_).code, "unsupported");
  expect_unlisted_broken();
}

TEST_F(GenerationTest, SaysThatAModelIsBrokenAndLeavesItOutOfTheLists) {
  std::ofstream(folder_.path() / "broken.gguf") << "no model";
  const ApiError error = refusal_of("broken", context_);
  EXPECT_EQ(error.status, 422U);
  EXPECT_EQ(error.code, "model_load_failed");
  EXPECT_EQ(error.param, "model");
  EXPECT_FALSE(error.retry_after_s.has_value());
  EXPECT_NE(error.message.find("'broken' cannot be loaded"), std::string::npos) << error.message;
  EXPECT_EQ(error.message.find('['), std::string::npos) << error.message;
  expect_unlisted_broken();
}

TEST_F(GenerationTest, TellsNobodyToRetryWhatCanNeverFit) {
  ModelManagerConfig config;
  config.memory_bytes = 1 << 20;
  const std::unique_ptr<ModelManager> models = make_manager(config);
  ServerContext context = context_with(*models);
  const ApiError error = refusal_of("tiny", context);
  EXPECT_EQ(error.status, 400U);
  EXPECT_EQ(error.code, "unsupported");
  EXPECT_EQ(error.param, "model");
  EXPECT_FALSE(error.retry_after_s.has_value());
  EXPECT_NE(error.message.find("can never be loaded"), std::string::npos) << error.message;
}

TEST_F(GenerationTest, CountsWhatTheMachineHasNoMemoryFor) {
  ModelManagerConfig config;
  config.ports.available_bytes = [] { return uint64_t{1000}; };
  const std::unique_ptr<ModelManager> models = make_manager(config);
  ServerContext context = context_with(*models);
  const ApiError error = refusal_of("tiny", context);
  EXPECT_EQ(error.status, 503U);
  EXPECT_EQ(error.code, "out_of_memory");
  EXPECT_TRUE(error.retry_after_s.has_value());
  EXPECT_NE(
      metrics_page(context).find("quern_request_rejected_total{reason=\"out_of_memory\"} 1\n"),
      std::string::npos);
}

TEST_F(GenerationTest, AWaitForRoomEndsWithItsDeadline) {
  test::write_tiny_model(folder_.path() / "other.gguf", {.max_context = 256});
  ModelManagerConfig config;
  {
    const std::unique_ptr<ModelManager> models = make_manager(config);
    config.memory_bytes = bytes_of("tiny", *models) * 3 / 2;
  }
  const std::unique_ptr<ModelManager> models = make_manager(config);
  ServerContext context = context_with(*models);
  run([&](FakeExchange& exchange) -> Task {
    ModelWish wish("tiny");
    const Api<ModelLease> held = co_await acquire_model(exchange, context, std::move(wish));
    EXPECT_TRUE(held.has_value());
    ScheduleFields schedule;
    schedule.queue_timeout_ms = 1;
    ModelWish late("other", schedule);
    const Api<ModelLease> none = co_await acquire_model(exchange, context, std::move(late));
    EXPECT_FALSE(none.has_value());
    EXPECT_EQ(none.error().status, 504U);
    EXPECT_EQ(none.error().code, "queue_timeout");
    // Nobody waits for the other one any more: this one takes work again.
    ModelWish again("tiny");
    const Api<ModelLease> more = co_await acquire_model(exchange, context, std::move(again));
    EXPECT_TRUE(more.has_value());
    EXPECT_EQ(models->stats().n_load_failures, 0U);
  });
}

TEST_F(GenerationTest, AsksForAModelThatIsThere) {
  run([&](FakeExchange& exchange) -> Task {
    ModelWish unknown("tony");
    const Api<ModelLease> lease = co_await acquire_model(exchange, context_, std::move(unknown));
    EXPECT_FALSE(lease.has_value());
    EXPECT_EQ(lease.error().status, 404U);
    EXPECT_EQ(lease.error().code, "model_not_found");
    EXPECT_NE(lease.error().message.find("tiny"), std::string::npos) << lease.error().message;
    EXPECT_TRUE(rows().empty());
  });
}

TEST_F(GenerationTest, DoesNotWaitForAModelBeyondItsDeadline) {
  arrival_us_ = monotonic_us() - 10'000'000;
  run([&](FakeExchange& exchange) -> Task {
    ScheduleFields schedule;
    schedule.timeout_ms = 1;
    ModelWish wish("tiny", schedule);
    const Api<ModelLease> lease = co_await acquire_model(exchange, context_, std::move(wish));
    EXPECT_FALSE(lease.has_value());
    EXPECT_EQ(lease.error().status, 504U);
    EXPECT_EQ(lease.error().code, "total_timeout");
  });
}

// The access log tells them: what was computed, whoever read it. Each prompt has 3 tokens.
TEST_F(GenerationTest, CountsTheTokensOfAStreamWhoseReaderStopsReading) {
  for (const size_t n : {size_t{1}, size_t{2}}) {
    run([&](FakeExchange& exchange) { return stream_some(exchange, n, 5); });
    EXPECT_EQ(n_prompt_logged_, 3 * n);
    EXPECT_GE(n_completion_logged_, 5U);
  }
}

}  // namespace
}  // namespace quern::server
