// Models loaded on demand, shared, evicted and unloaded, with real tiny models and a clock of the
// test's own.
#include "engine/model_manager.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <future>
#include <latch>
#include <mutex>
#include <thread>

#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace quern {
namespace {

constexpr int64_t kSecondUs = 1'000'000;

// The manager's log, and a wait until a line is in it.
class LogLines {
 public:
  Log log() {
    return Log([this](LogLevel, std::string_view line) {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(line);
      changed_.notify_all();
    });
  }
  void wait_for(const std::string& line) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return std::ranges::find(lines_, line) != lines_.end(); });
  }
  size_t n_with(std::string_view part) {
    const std::lock_guard lock(mutex_);
    return static_cast<size_t>(std::ranges::count_if(
        lines_, [part](const std::string& line) { return line.contains(part); }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

class ModelManagerTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"a", "b", "c"}) {
      write_model(store() / (std::string(name) + ".gguf"));
    }
    config_.host.model_store = store();
    config_.host.system_ollama.clear();
    config_.engine.engine = {.max_context = 64, .kv_bytes = 1 << 20, .max_seqs = 2};
    config_.n_threads = 1;
    config_.max_batch_tokens = 16;
    config_.keep_alive_ms = kKeepForever;
    config_.retry = {.max_attempts = 4, .first_delay_ms = 0, .max_delay_ms = 0};
    config_.ports.now_us = [this] { return clock_us_.load(); };
    config_.ports.available_bytes = [] { return uint64_t{1} << 40; };
  }

  std::filesystem::path store() const {
    std::filesystem::create_directories(dir_.path() / "store");
    return dir_.path() / "store";
  }

  static void write_model(const std::filesystem::path& path) {
    test::write_tiny_model(
        path, {.n_layers = 1, .n_heads = 2, .n_kv_heads = 1, .d_model = 64, .d_ff = 64});
  }

  void open() {
    auto manager = ModelManager::create(config_, metrics_, lines_.log());
    ASSERT_TRUE(manager.has_value());
    manager_ = std::move(*manager);
  }

  using Answer = Result<ModelLease>;
  std::future<Answer> acquire_soon(const std::string& name) {
    const auto promise = std::make_shared<std::promise<Answer>>();
    auto future = promise->get_future();
    manager_->acquire(name, [promise](Answer answer) { promise->set_value(std::move(answer)); });
    return future;
  }
  Answer acquire(const std::string& name) { return acquire_soon(name).get(); }
  // A second after what was used before.
  Answer acquire_later(const std::string& name) {
    clock_us_ += kSecondUs;
    return acquire(name);
  }
  static bool is_answered(const std::future<Answer>& answer) {
    return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  // Used and idle again.
  void touch(const std::string& name) {
    const Answer answer = acquire(name);
    EXPECT_TRUE(answer.has_value()) << answer.error().to_string();
    clock_us_ += kSecondUs;
  }

  // The file "strange" beside the idle model "a", with memory for one of them.
  void expect_refused_without_eviction(const std::string& what) {
    limit_memory(15);
    open();
    touch("a");
    const Answer refused = acquire("strange");
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);
    EXPECT_EQ(refused.error().what, what);
    EXPECT_EQ(ready(), "a");
    EXPECT_EQ(manager_->stats().n_evictions, 0U);
    EXPECT_EQ(manager_->examine("strange").error().kind, ErrorKind::unsupported);
  }

  // Of a request of 4 tokens.
  static uint32_t n_generated(const ModelLease& lease) {
    std::promise<RequestUsage> done;
    Request request;
    request.prompt = {TokenId{5}, TokenId{6}, TokenId{7}};
    request.max_tokens = 4;
    request.sampling.seed = 1;
    request.sampling.ignore_eos = true;
    request.sampling.end_tokens = {TokenId{2}};
    request.on_event = [&](const TokenEvent& event) {
      if (event.finish) {
        done.set_value(event.usage);
      }
    };
    EXPECT_TRUE(lease.engine().submit(std::move(request)).has_value());
    return done.get_future().get().completion_tokens;
  }

  // "a b": ready ones, by name.
  std::string ready() const {
    std::vector<std::string> names;
    for (const ModelStatus& model : manager_->status()) {
      if (model.state == ModelStatus::State::ready) {
        names.push_back(model.name);
      }
    }
    std::ranges::sort(names);
    std::string result;
    for (const std::string& name : names) {
      result += (result.empty() ? "" : " ") + name;
    }
    return result;
  }
  ModelStatus status_of(const std::string& name) const {
    for (ModelStatus& model : manager_->status()) {
      if (model.name == name) {
        return std::move(model);
      }
    }
    ADD_FAILURE() << name << " is not there";
    return {};
  }

  // Memory for so many tenths of one of these models.
  void limit_memory(uint64_t n_tenths) {
    open();
    touch("a");
    config_.memory_bytes = status_of("a").bytes * n_tenths / 10;
    manager_.reset();
  }

  // Loads wait until the test opens the gate.
  struct Gate {
    std::promise<void> opened;
    std::shared_future<void> is_open = opened.get_future().share();
    std::atomic<uint32_t> n_loads{0};
    std::promise<void> first_began;
  };
  void add_gate(Gate& gate) {
    real_ = make_model_loader(
        {.engine = config_.engine, .n_threads = 1, .isa = {}, .max_batch_tokens = 16}, metrics_,
        Log());
    config_.ports.load = [this, &gate](const LoadJob& job) {
      if (gate.n_loads.fetch_add(1) == 0) {
        job.progress(1, 4);
        gate.first_began.set_value();
      }
      gate.is_open.wait();
      return real_(job);
    };
  }

  test::TempDir dir_;
  std::atomic<int64_t> clock_us_{kSecondUs};
  LogLines lines_;
  EngineMetrics metrics_;
  ModelManagerConfig config_;
  ModelLoader real_;
  std::unique_ptr<ModelManager> manager_;
};

TEST_F(ModelManagerTest, LoadsOnDemandAndThenHits) {
  open();
  const Answer first = acquire("a");
  ASSERT_TRUE(first.has_value()) << first.error().to_string();
  EXPECT_EQ(first->name(), "a");
  EXPECT_EQ(first->engine().max_context(), 64U);
  EXPECT_EQ(first->model().card().architecture(), "llama");
  const Answer second = acquire("A:latest");
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(&second->model(), &first->model());
  const ModelCacheStats stats = manager_->stats();
  EXPECT_EQ(stats.n_hits, 1U);
  EXPECT_EQ(stats.n_misses, 1U);
  EXPECT_EQ(stats.loaded_bytes, status_of("a").bytes);
  EXPECT_EQ(status_of("a").in_flight, 2U);
}

TEST_F(ModelManagerTest, CountsWeightsActivationsAndTheWholePool) {
  open();
  touch("a");
  const uint64_t weights = std::filesystem::file_size(store() / "a.gguf");
  EXPECT_GT(status_of("a").bytes, (uint64_t{1} << 20) + weights / 2);
  EXPECT_LT(status_of("a").bytes, (uint64_t{1} << 20) + weights * 8);
}

TEST_F(ModelManagerTest, EvictsTheLeastRecentlyUsed) {
  limit_memory(25);
  open();
  touch("a");
  touch("b");
  touch("a");
  touch("c");
  EXPECT_EQ(ready(), "a c");
  touch("b");
  EXPECT_EQ(ready(), "b c");
  EXPECT_EQ(manager_->stats().n_evictions, 2U);
  EXPECT_LE(manager_->stats().loaded_bytes, config_.memory_bytes);
  EXPECT_EQ(manager_->stats().limit_bytes, config_.memory_bytes);
}

TEST_F(ModelManagerTest, ALoadWaitsForTheEndOfWhatTheLeastRecentlyUsedComputes) {
  limit_memory(25);
  open();
  std::optional<Answer> a = acquire_later("a");
  std::optional<Answer> b = acquire_later("b");
  auto c = acquire_soon("c");
  lines_.wait_for("model 'c' waits for the end of what 'a' computes");
  auto a_again = acquire_soon("a");
  EXPECT_TRUE(acquire("b").has_value());
  clock_us_ += kSecondUs;
  EXPECT_EQ(ready(), "a b");
  EXPECT_EQ(n_generated(**a), 4U);
  std::optional<ModelLease> share = (*a)->share();
  a.reset();
  EXPECT_EQ(status_of("a").in_flight, 1U);
  EXPECT_FALSE(is_answered(c));
  share.reset();
  const Answer held_c = c.get();
  EXPECT_TRUE(held_c.has_value());
  // In turn, the one that left waits for the next one.
  lines_.wait_for("model 'a' waits for the end of what 'b' computes");
  EXPECT_FALSE(is_answered(a_again));
  b.reset();
  EXPECT_TRUE(a_again.get().has_value());
  EXPECT_EQ(ready(), "a c");
  EXPECT_EQ(manager_->stats().n_evictions, 2U);
  EXPECT_EQ(manager_->stats().n_load_failures, 0U);
}

TEST_F(ModelManagerTest, WhatIsAlwaysAtWorkLeavesRoomInTheEnd) {
  limit_memory(25);
  open();
  // Each takes the next lease before it ends the last one: its model is never idle.
  const auto client = [this](const std::string& name) {
    std::optional<Answer> held;
    uint32_t n_answered = 0;
    for (int i = 0; i < 20; ++i) {
      auto next = acquire_soon(name);
      held.reset();
      held = next.get();
      n_answered += held->has_value() ? 1 : 0;
      clock_us_ += 1;
    }
    return n_answered;
  };
  std::vector<std::future<uint32_t>> clients;
  for (const char* name : {"a", "a", "b", "b", "c", "c"}) {
    clients.push_back(std::async(std::launch::async, client, name));
  }
  for (auto& answered : clients) {
    EXPECT_EQ(answered.get(), 20U);
  }
  EXPECT_EQ(manager_->stats().n_load_failures, 0U);
}

TEST_F(ModelManagerTest, ALoadThatNobodyWaitsForLetsTheOthersStay) {
  limit_memory(15);
  open();
  std::optional<Answer> a = acquire("a");
  std::promise<Answer> given_up;
  const auto wait =
      manager_->acquire("b", [&given_up](Answer answer) { given_up.set_value(std::move(answer)); });
  auto kept = acquire_soon("b");
  lines_.wait_for("model 'b' waits for the end of what 'a' computes");
  manager_->give_up(*wait);
  EXPECT_FALSE(is_answered(kept));
  a.reset();
  EXPECT_TRUE(kept.get().has_value());  // one of two still waited
  EXPECT_TRUE(given_up.get_future().get().has_value());

  const Answer b = acquire("b");
  std::promise<Answer> dropped;
  const auto last =
      manager_->acquire("c", [&dropped](Answer answer) { dropped.set_value(std::move(answer)); });
  lines_.wait_for("model 'c' waits for the end of what 'b' computes");
  auto b_again = acquire_soon("b");
  EXPECT_FALSE(is_answered(b_again));
  manager_->give_up(*last);
  EXPECT_EQ(dropped.get_future().get().error().kind, ErrorKind::cancelled);
  EXPECT_EQ(&b_again.get()->model(), &b->model());  // not loaded again
  EXPECT_TRUE(acquire("b").has_value());
  EXPECT_EQ(manager_->stats().n_load_failures, 0U);
  EXPECT_EQ(manager_->stats().n_evictions, 1U);
}

TEST_F(ModelManagerTest, ALeavingModelStaysWhenOthersMakeTheRoom) {
  limit_memory(25);
  open();
  const Answer a = acquire_later("a");
  std::optional<Answer> b = acquire_later("b");
  auto c = acquire_soon("c");
  lines_.wait_for("model 'c' waits for the end of what 'a' computes");
  auto a_again = acquire_soon("a");
  b.reset();
  EXPECT_TRUE(manager_->unload("b"));
  EXPECT_TRUE(c.get().has_value());
  EXPECT_EQ(&a_again.get()->model(), &a->model());
  EXPECT_EQ(ready(), "a c");
  EXPECT_EQ(manager_->stats().n_evictions, 0U);
}

TEST_F(ModelManagerTest, WhoWaitsForRoomAtTheEndIsAnswered) {
  limit_memory(15);
  open();
  const Answer a = acquire("a");
  auto b = acquire_soon("b");
  lines_.wait_for("model 'b' waits for the end of what 'a' computes");
  manager_.reset();
  EXPECT_EQ(b.get().error().kind, ErrorKind::cancelled);
}

TEST_F(ModelManagerTest, AModelThatNeverFitsEvictsNothing) {
  test::write_tiny_model(store() / "huge.gguf", {.dtype = DType::f32, .n_layers = 4, .d_ff = 1024});
  limit_memory(25);
  open();
  touch("a");
  touch("b");
  const Answer refused = acquire("huge");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);  // no retry helps
  EXPECT_NE(refused.error().what.find("can never be loaded"), std::string::npos);
  EXPECT_NE(refused.error().expected.find("--memory-bytes"), std::string::npos);
  EXPECT_EQ(ready(), "a b");
  EXPECT_EQ(manager_->stats().n_evictions, 0U);
  EXPECT_EQ(manager_->stats().n_load_retries, 0U);
}

TEST_F(ModelManagerTest, APoolBeyondAllMemoryIsRefused) {
  config_.engine.engine.kv_bytes = UINT64_MAX - 4;
  open();
  const Answer refused = acquire("a");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::out_of_memory);
  EXPECT_NE(refused.error().what.find("'a' takes at least 17592186044416 MB"), std::string::npos)
      << refused.error().what;  // 2^64 / 2^20
}

TEST_F(ModelManagerTest, AnArchitectureThatCannotRunEvictsNothing) {
  test::write_tiny_model(store() / "strange.gguf", {.architecture = "strange",
                                                    .n_layers = 1,
                                                    .n_heads = 2,
                                                    .n_kv_heads = 1,
                                                    .d_model = 64,
                                                    .d_ff = 64});
  expect_refused_without_eviction("architecture 'strange' is not supported");
}

TEST_F(ModelManagerTest, APreTokenizerThatIsNotKnownEvictsNothing) {
  test::write_tiny_model(store() / "strange.gguf", {.n_layers = 1,
                                                    .n_heads = 2,
                                                    .n_kv_heads = 1,
                                                    .d_model = 64,
                                                    .d_ff = 64,
                                                    .pre_tokenizer = "strange"});
  expect_refused_without_eviction("unknown pre-tokenizer 'strange'");
  config_.allow_unknown_pre = true;
  open();
  EXPECT_TRUE(manager_->examine("strange").has_value());
}

TEST_F(ModelManagerTest, APoolThatHoldsNoRequestIsRefusedWithTheLeast) {
  config_.engine.engine.kv_bytes = 1;
  open();
  const Answer refused = acquire("a");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);
  // 64 tokens are 4 blocks of 16, and one is being filled: of a key and a value of 32 f16 each.
  EXPECT_EQ(refused.error().expected, "--kv-bytes of at least 10240");
  EXPECT_EQ(refused.error().file, (store() / "a.gguf").string());
}

TEST_F(ModelManagerTest, AContextBeyondTheModelsOwnIsTold) {
  test::write_tiny_model(store() / "short.gguf", {.n_layers = 1, .max_context = 32});
  open();
  touch("a");
  touch("short");
  touch("short");
  lines_.wait_for(
      "model 'short' was made for 32 tokens; requests of up to 64 are taken (--ctx), "
      "whose answers may be poor");
  EXPECT_EQ(lines_.n_with("was made for"), 1U);  // of two loads and three requests
}

TEST_F(ModelManagerTest, SaysBeforeLoadingWhatCannotBeLoaded) {
  test::write_tiny_model(store() / "huge.gguf", {.dtype = DType::f32, .n_layers = 4, .d_ff = 1024});
  std::ofstream(store() / "broken.gguf") << "no model";
  limit_memory(25);
  open();
  EXPECT_TRUE(manager_->examine("a").has_value());
  const auto kind = [this](const std::string& name) {
    const Status status = manager_->examine(name);
    return status ? std::nullopt : std::optional(status.error().kind);
  };
  EXPECT_EQ(kind("nope"), ErrorKind::not_found);
  EXPECT_EQ(kind("broken"), ErrorKind::invalid_input);
  EXPECT_EQ(kind("huge"), ErrorKind::unsupported);
  EXPECT_EQ(ready(), "");
}

TEST_F(ModelManagerTest, ThePoolIsFittedToTheMemory) {
  limit_memory(25);
  config_.engine.engine.kv_bytes = 0;
  open();
  touch("a");
  // Two requests of 64 tokens: 8 blocks and one, of 1 layer, 1 KV head, 32 numbers, f16.
  EXPECT_EQ(status_of("a").engine.kv_pool_bytes, uint64_t{9} * 32 * 2 * 2 * 16);
}

TEST_F(ModelManagerTest, AllWhoWaitShareOneLoad) {
  Gate gate;
  add_gate(gate);
  open();
  std::vector<std::future<Answer>> answers;
  answers.push_back(acquire_soon("a"));
  gate.first_began.get_future().wait();
  const ModelStatus loading = status_of("a");
  EXPECT_EQ(loading.state, ModelStatus::State::loading);
  EXPECT_EQ(loading.load_progress, 0.25);
  answers.push_back(acquire_soon("a"));
  answers.push_back(acquire_soon("a"));
  gate.opened.set_value();
  const LoadedModel* model = nullptr;
  for (auto& answer : answers) {
    const Answer lease = answer.get();
    ASSERT_TRUE(lease.has_value());
    EXPECT_TRUE(model == nullptr || model == &lease->model());
    model = &lease->model();
  }
  EXPECT_EQ(gate.n_loads, 1U);
  EXPECT_EQ(manager_->stats().n_misses, 3U);
}

TEST_F(ModelManagerTest, ALoadedModelAnswersWhileAnotherLoads) {
  open();
  touch("a");
  manager_.reset();
  Gate gate;
  add_gate(gate);
  gate.n_loads = 1;  // the first one passes
  config_.ports.load = [this, &gate, n = std::make_shared<int>(0)](const LoadJob& job) {
    if (++*n > 1) {
      gate.is_open.wait();
    }
    return real_(job);
  };
  open();
  touch("a");
  auto b = acquire_soon("b");
  EXPECT_TRUE(acquire("a").has_value());
  EXPECT_EQ(b.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  gate.opened.set_value();
  EXPECT_TRUE(b.get().has_value());
}

TEST_F(ModelManagerTest, OthersAtWorkMakeALoadQuiet) {
  std::vector<bool> quiet;
  Gate gate;
  gate.opened.set_value();
  add_gate(gate);
  config_.ports.load = [this, &quiet](const LoadJob& job) {
    quiet.push_back(job.quietly);
    return real_(job);
  };
  open();
  touch("a");
  touch("b");
  const Answer a = acquire("a");
  const Answer c = acquire("c");
  ASSERT_TRUE(c.has_value());
  EXPECT_EQ(quiet, (std::vector<bool>{false, false, true}));
}

TEST_F(ModelManagerTest, AFailedLoadIsRememberedForAMoment) {
  dir_.write("store/broken.gguf", "this is no model");
  open();
  const Answer first = acquire("broken");
  ASSERT_FALSE(first.has_value());
  EXPECT_EQ(first.error().kind, ErrorKind::invalid_input);
  EXPECT_NE(first.error().to_string().find("broken.gguf"), std::string::npos);
  EXPECT_EQ(status_of("broken").state, ModelStatus::State::failed);
  EXPECT_EQ(status_of("broken").error, first.error().to_string());
  write_model(store() / "broken.gguf");
  EXPECT_FALSE(acquire("broken").has_value());
  EXPECT_EQ(manager_->stats().n_load_failures, 1U);
  clock_us_ += 5 * kSecondUs;
  EXPECT_TRUE(acquire("broken").has_value());
}

TEST_F(ModelManagerTest, AFaultThatMayPassIsTriedAgain) {
  FailPoints faults;
  config_.engine.engine.fail_points = &faults;
  faults.arm(FailPoint::mmap, {.after = 0, .times = 1});
  open();
  EXPECT_TRUE(acquire("a").has_value());
  EXPECT_EQ(manager_->stats().n_load_retries, 1U);
  EXPECT_EQ(manager_->stats().n_load_failures, 0U);
  faults.arm(FailPoint::allocation, {.after = 3, .times = 1});
  EXPECT_TRUE(acquire("b").has_value());
  EXPECT_EQ(manager_->stats().n_load_retries, 2U);
  manager_.reset();
}

TEST_F(ModelManagerTest, TryingAgainHasAnEnd) {
  uint32_t n_attempts = 0;
  config_.ports.load = [&n_attempts](const LoadJob&) {
    ++n_attempts;
    return Result<LoadedEngine>(
        fail({.kind = ErrorKind::io, .where = "test", .what = "no disk", .expected = ""}));
  };
  open();
  const Answer answer = acquire("a");
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().kind, ErrorKind::io);
  EXPECT_EQ(n_attempts, config_.retry.max_attempts);
  EXPECT_EQ(manager_->stats().n_load_retries, config_.retry.max_attempts - 1);
}

TEST_F(ModelManagerTest, KeepAliveZeroUnloadsWithTheLastLease) {
  config_.keep_alive_ms = 0;
  open();
  {
    const Answer a = acquire("a");
    ASSERT_TRUE(a.has_value());
    EXPECT_EQ(ready(), "a");
  }
  lines_.wait_for("model 'a' unloaded");
  EXPECT_EQ(ready(), "");
  EXPECT_EQ(manager_->stats().n_evictions, 0U);
}

TEST_F(ModelManagerTest, AnIdleModelGoesAfterItsKeepAlive) {
  config_.keep_alive_ms = 10'000;
  open();
  touch("a");
  touch("b");
  EXPECT_EQ(status_of("a").expires_us, status_of("a").last_used_us + 10 * kSecondUs);
  manager_->set_keep_alive("b", kKeepForever);
  EXPECT_EQ(status_of("b").expires_us, -1);
  clock_us_ += 100 * kSecondUs;
  manager_->set_keep_alive("b", kKeepForever);  // wakes the housekeeper, as time would
  lines_.wait_for("model 'a' unloaded");
  EXPECT_EQ(ready(), "b");
}

TEST_F(ModelManagerTest, AKeepAliveGivenDuringTheLoadHolds) {
  Gate gate;
  add_gate(gate);
  open();
  auto answer = acquire_soon("a");
  gate.first_began.get_future().wait();
  manager_->set_keep_alive("a", 0);
  gate.opened.set_value();
  EXPECT_TRUE(answer.get().has_value());
  lines_.wait_for("model 'a' unloaded");
}

TEST_F(ModelManagerTest, UnloadWaitsForWorkInFlight) {
  open();
  EXPECT_FALSE(manager_->unload("a"));
  {
    const Answer a = acquire("a");
    ASSERT_TRUE(a.has_value());
    EXPECT_TRUE(manager_->unload("a"));
    EXPECT_EQ(ready(), "a");
  }
  lines_.wait_for("model 'a' unloaded");
  touch("b");
  EXPECT_TRUE(manager_->unload("b"));
  EXPECT_EQ(ready(), "");
  EXPECT_FALSE(manager_->unload("b"));
  EXPECT_FALSE(manager_->unload("nothing"));
}

TEST_F(ModelManagerTest, APathInARequestIsNeverOpened) {
  const auto outside = dir_.path() / "outside.gguf";
  write_model(outside);
  open();
  for (const std::string& name :
       {outside.string(), std::string("../outside"), (store() / "a.gguf").string()}) {
    const Answer answer = acquire(name);
    ASSERT_FALSE(answer.has_value()) << name;
    EXPECT_EQ(answer.error().kind, ErrorKind::not_found);
  }
  EXPECT_EQ(manager_->add_file(outside).value(), "outside");
  EXPECT_EQ(manager_->default_name(), "outside");
  EXPECT_TRUE(acquire("outside").has_value());
}

TEST_F(ModelManagerTest, AModelPutThereLaterIsFound) {
  open();
  EXPECT_FALSE(acquire("late").has_value());
  write_model(store() / "late.gguf");
  clock_us_ += kSecondUs;
  EXPECT_TRUE(acquire("late").has_value());
  EXPECT_EQ(manager_->list().size(), 4U);
}

TEST_F(ModelManagerTest, ALeaseMayOutliveTheManager) {
  open();
  const Answer a = acquire("a");
  ASSERT_TRUE(a.has_value());
  manager_.reset();
  EXPECT_EQ(a->model().card().architecture(), "llama");
}

TEST_F(ModelManagerTest, WhoStillWaitsAtTheEndIsAnswered) {
  Gate gate;
  add_gate(gate);
  open();
  auto a = acquire_soon("a");
  gate.first_began.get_future().wait();
  auto b = acquire_soon("b");
  std::thread end([this] { manager_.reset(); });
  gate.opened.set_value();
  end.join();
  EXPECT_TRUE(a.get().has_value());
  const Answer answer = b.get();
  EXPECT_TRUE(answer.has_value() || answer.error().kind == ErrorKind::cancelled);
}

TEST_F(ModelManagerTest, AnswersRequestsThroughItsEngines) {
  open();
  const Answer a = acquire("a");
  ASSERT_TRUE(a.has_value());
  EXPECT_EQ(n_generated(*a), 4U);
}

}  // namespace
}  // namespace quern
