// Many clients on one engine for a while, doing all that clients do: what each gets must equal its
// lone run, and nothing may be left behind. QUERN_STRESS_SECONDS says how long (default 5).
#include <gtest/gtest.h>
#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/system_info.h"
#include "engine/engine_thread.h"
#include "kernels/kernel_table.h"
#include "support/golden.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace quern {
namespace {

constexpr uint32_t kNCases = 48;
constexpr uint32_t kNClients = 64;
constexpr uint32_t kMaxSeqs = 12;
constexpr uint32_t kContext = 256;
// Far fewer than kMaxSeqs sequences of up to 14 blocks want.
constexpr uint32_t kNBlocks = 40;

int64_t stress_us() {
  const char* seconds = std::getenv("QUERN_STRESS_SECONDS");
  return (seconds != nullptr ? std::atoll(seconds) : 5) * 1'000'000;
}

size_t n_entries(const char* folder) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder),
                                           std::filesystem::directory_iterator()));
}

std::unique_ptr<LoadedModel> load(const std::filesystem::path& path, uint32_t n_threads) {
  auto loaded = LoadedModel::load(
      {.path = path, .n_threads = n_threads, .max_batch_tokens = 64, .max_seqs = kMaxSeqs}, Log());
  EXPECT_TRUE(loaded.has_value()) << loaded.error().to_string();
  return loaded ? std::move(*loaded) : nullptr;
}

uint64_t block_bytes(LoadedModel& loaded) {
  const ModelConfig& c = loaded.model().config();
  return 2 * uint64_t{c.n_layers} * c.n_kv_heads * kv_head_bytes(KvDType::f16, c.head_dim);
}

// The last events come inside a step, whose numbers are published at its end.
EngineSnapshot settled(const EngineThread& engine) {
  EngineSnapshot snapshot = engine.snapshot();
  const int64_t give_up_us = monotonic_us() + 60'000'000;
  // A client hears of its end before the step that ended it is over.
  const auto is_busy = [&] {
    return snapshot.n_running + snapshot.n_waiting + snapshot.stats.kv_blocks_used > 0;
  };
  while (is_busy() && monotonic_us() < give_up_us) {
    std::this_thread::yield();
    snapshot = engine.snapshot();
  }
  return snapshot;
}

// What the callback collects; the client waits for its end.
struct Outcome {
  std::mutex mutex;
  std::condition_variable ended;
  std::vector<TokenId> tokens;
  std::string text;
  std::optional<FinishReason> finish;
  FinishCause cause = FinishCause::none;
  uint32_t n_cached = 0;

  void take(const TokenEvent& event) {
    const std::lock_guard lock(mutex);
    if (event.token != kNoToken) {
      tokens.push_back(event.token);
    }
    text += event.text;
    if (event.finish) {
      finish = event.finish;
      cause = event.cause;
      n_cached = event.usage.cached_tokens;
      ended.notify_one();
    }
  }
  void wait() {
    std::unique_lock lock(mutex);
    ended.wait(lock, [&] { return finish.has_value(); });
  }
};

struct Reference {
  std::vector<TokenId> tokens;
  std::string text;
};

uint32_t draw(std::mt19937& random, uint32_t below) {
  return static_cast<uint32_t>(random() % below);
}

// A third of the cases share a prefix; every sampler that keeps state is in use.
Request make_case(uint32_t i, uint32_t vocab_size) {
  std::mt19937 random(7 + i);
  Request r;
  const uint32_t n_shared = i % 3 == 0 ? 50 : 0;
  const uint32_t n_prompt = n_shared + 4 + draw(random, 90);
  for (uint32_t k = 0; k < n_prompt; ++k) {
    const uint32_t n_words = vocab_size - 3;
    const uint32_t word = k < n_shared ? k * 7 % n_words : draw(random, n_words);
    r.prompt.push_back(TokenId{static_cast<int32_t>(3 + word)});
  }
  r.max_tokens = 8 + draw(random, 60);
  r.sampling.seed = 1000 + i;
  r.sampling.temperature = i % 5 == 0 ? 0.0F : 0.9F;
  r.sampling.top_k = i % 4 == 0 ? 20 : 0;
  r.sampling.top_p = i % 2 == 0 ? 0.9F : 1.0F;
  r.sampling.repetition_penalty = i % 7 == 0 ? 1.2F : 1.0F;
  r.sampling.dry_multiplier = i % 6 == 0 ? 0.8F : 0.0F;
  r.sampling.mirostat = i % 11 == 0 ? Mirostat::v2 : Mirostat::off;
  if (i % 8 == 0) {
    r.stop = {"e", "zz"};
  }
  return r;
}

class EngineStress : public testing::Test {
 protected:
  void SetUp() override {
    path_ = test::golden_dir() / "stories260k" / "stories260K.gguf";
    if (!std::filesystem::exists(path_)) {
      path_ = dir_.path() / "tiny.gguf";
      test::write_tiny_model(path_, {.dtype = DType::q4_0});
    }
    for (uint32_t i = 0; i < kNCases; ++i) {
      references_.push_back(run_alone(i));
    }
  }

  // One request, one thread, no prefix cache, an engine of its own.
  Reference run_alone(uint32_t i) {
    if (lone_ == nullptr) {
      lone_ = load(path_, 1);
    }
    auto engine =
        Engine::create(*lone_, {.max_context = kContext, .max_seqs = 1, .prefix_cache = false});
    EXPECT_TRUE(engine.has_value());
    Reference reference;
    Request request = make_case(i, lone_->tokenizer().vocab_size());
    request.on_event = [&](const TokenEvent& event) {
      if (event.token != kNoToken) {
        reference.tokens.push_back(event.token);
      }
      reference.text += event.text;
    };
    EXPECT_TRUE((*engine)->submit(std::move(request)).has_value());
    while ((*engine)->has_work()) {
      (*engine)->step();
    }
    (*engine)->step();
    return reference;
  }

  // One client's requests until the time is over.
  void client(EngineThread& engine, uint32_t index, int64_t end_us) {
    std::mt19937 random(index);
    const uint32_t vocab_size = lone_->tokenizer().vocab_size();
    while (monotonic_us() < end_us) {
      const uint32_t i = draw(random, kNCases);
      Request request = make_case(i, vocab_size);
      request.priority = static_cast<int32_t>(draw(random, 21)) - 10;
      const uint32_t kind = draw(random, 10);
      const int64_t soon_us = monotonic_us() + draw(random, 30'000);
      if (kind == 0) {
        request.deadlines.queue_us = soon_us;
      } else if (kind == 1) {
        request.deadlines.total_us = soon_us;
      } else if (kind == 2) {
        request.deadlines.first_token_us = soon_us;
      }
      const uint32_t cancel_after = kind < 5 && kind > 2 ? draw(random, 20) : kNever32;
      finish_one(engine, std::move(request), {.index = i, .cancel_after = cancel_after});
    }
  }

  static constexpr uint32_t kNever32 = UINT32_MAX;
  struct Plan {
    uint32_t index = 0;
    uint32_t cancel_after = kNever32;  // tokens; 0: right after submitting
  };

  void finish_one(EngineThread& engine, Request request, const Plan& plan) {
    Outcome outcome;
    request.on_event = [&](const TokenEvent& event) {
      outcome.take(event);
      if (!event.finish && plan.cancel_after != 0 && outcome.tokens.size() == plan.cancel_after) {
        engine.cancel(event.id);
      }
    };
    const auto id = engine.submit(std::move(request));
    ASSERT_TRUE(id.has_value()) << id.error().to_string();
    if (plan.cancel_after == 0) {
      engine.cancel(*id);
    }
    outcome.wait();
    check(outcome, references_[plan.index]);
  }

  // Whole answers are the lone run's; those that were cut short are its beginning.
  void check(const Outcome& outcome, const Reference& reference) {
    const bool whole =
        outcome.finish == FinishReason::stop || outcome.finish == FinishReason::length;
    if (whole) {
      EXPECT_EQ(outcome.tokens, reference.tokens);
      EXPECT_EQ(outcome.text, reference.text);
      ++n_whole_;
    } else {
      ASSERT_LE(outcome.tokens.size(), reference.tokens.size());
      EXPECT_TRUE(
          std::equal(outcome.tokens.begin(), outcome.tokens.end(), reference.tokens.begin()));
      EXPECT_TRUE(
          outcome.finish == FinishReason::cancelled || outcome.finish == FinishReason::timeout ||
          outcome.cause == FinishCause::displaced || outcome.cause == FinishCause::queue_full ||
          outcome.cause == FinishCause::queue_tokens_full)
          << to_string(*outcome.finish) << ' ' << to_string(outcome.cause);
      n_cancelled_ += outcome.finish == FinishReason::cancelled ? 1 : 0;
      n_timed_out_ += outcome.finish == FinishReason::timeout ? 1 : 0;
    }
    n_cached_ += outcome.n_cached;
  }

  test::TempDir dir_;
  std::filesystem::path path_;
  std::unique_ptr<LoadedModel> lone_;
  std::vector<Reference> references_;
  std::atomic<uint64_t> n_whole_{0};
  std::atomic<uint64_t> n_cancelled_{0};
  std::atomic<uint64_t> n_timed_out_{0};
  std::atomic<uint64_t> n_cached_{0};
};

TEST_F(EngineStress, EveryAnswerEqualsItsLoneRunAndNothingIsLeft) {
  const size_t n_threads_before = n_entries("/proc/self/task");
  const size_t n_files_before = n_entries("/proc/self/fd");
  {
    const auto loaded = load(path_, 2);
    ASSERT_NE(loaded, nullptr);
    EngineMetrics metrics;
    EngineThreadConfig config;
    config.engine = {
        .max_context = kContext, .kv_bytes = kNBlocks * block_bytes(*loaded), .max_seqs = kMaxSeqs};
    auto engine = EngineThread::start(*loaded, config, metrics, Log());
    ASSERT_TRUE(engine.has_value()) << engine.error().to_string();
    const int64_t end_us = monotonic_us() + stress_us();
    std::vector<std::thread> clients;
    for (uint32_t c = 0; c < kNClients; ++c) {
      clients.emplace_back([&, c] { client(**engine, c, end_us); });
    }
    for (std::thread& thread : clients) {
      thread.join();
    }
    const EngineSnapshot snapshot = settled(**engine);
    EXPECT_EQ(snapshot.stats.kv_blocks_used, 0U);
    EXPECT_EQ(snapshot.stats.kv_blocks_free + snapshot.stats.kv_blocks_cached,
              snapshot.stats.kv_blocks_total);
    EXPECT_EQ(snapshot.n_running + snapshot.n_waiting, 0U);
    EXPECT_TRUE((*engine)->live().empty());
    EXPECT_GT(metrics.n_preemptions.load(), 0U);
    EXPECT_GT(metrics.n_cache_hits.load(), 0U);
  }
  EXPECT_GT(n_whole_.load(), 0U);
  EXPECT_GT(n_cancelled_.load(), 0U);
  EXPECT_GT(n_cached_.load(), 0U);
  EXPECT_EQ(n_entries("/proc/self/task"), n_threads_before);
  EXPECT_EQ(n_entries("/proc/self/fd"), n_files_before);
  std::printf("stress: %llu whole, %llu cancelled, %llu timed out\n",
              static_cast<unsigned long long>(n_whole_.load()),
              static_cast<unsigned long long>(n_cancelled_.load()),
              static_cast<unsigned long long>(n_timed_out_.load()));
}

}  // namespace
}  // namespace quern
