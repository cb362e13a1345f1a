// What the engine thread does to latencies on a real model, without HTTP:
//   serving_bench MODEL [n_threads]
// 1. share of a step that sampling takes: 32 sequences, whole vocabulary;
// 2. time between tokens of 8 streams, alone and while 4,000 prompt tokens are computed;
// 3. time to first token of two closed-loop clients of class high, unloaded and among ten times as
//    many normal ones as run at once.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <future>
#include <mutex>

#include "base/system_info.h"
#include "engine/engine_thread.h"

namespace quern {
namespace {

using Samples = std::vector<double>;

double percentile(Samples values, double share) {
  if (values.empty()) {
    return 0;
  }
  std::ranges::sort(values);
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

std::vector<TokenId> made_up_prompt(uint32_t n_tokens, uint32_t seed) {
  std::vector<TokenId> tokens;
  for (uint32_t i = 0; i < n_tokens; ++i) {
    tokens.push_back(
        TokenId{static_cast<int32_t>(100 + (uint64_t{seed} * 7919 + i * 104729) % 40000)});
  }
  return tokens;
}

// Clients that ask again as soon as they are answered, from threads of their own.
class Load {
 public:
  explicit Load(EngineThread& engine) : engine_(engine) {}

  struct Client {
    uint32_t n_prompt = 64;
    uint32_t n_gen = 64;
    int32_t priority = 0;
    Samples* first_token_ms = nullptr;
    Samples* between_ms = nullptr;
  };
  // One request, waited for.
  void ask(const Client& client) {
    Request r;
    r.prompt = made_up_prompt(client.n_prompt, ++seed_);
    r.max_tokens = client.n_gen;
    r.sampling.seed = seed_;
    r.priority = client.priority;
    const int64_t start_us = monotonic_us();
    int64_t last_us = 0;
    Samples first;
    Samples between;
    std::promise<void> done;
    r.on_event = [&](const TokenEvent& event) {
      if (event.token != kNoToken) {
        const int64_t now_us = monotonic_us();
        (last_us == 0 ? first : between)
            .push_back(static_cast<double>(now_us - (last_us == 0 ? start_us : last_us)) / 1e3);
        last_us = now_us;
      }
      if (event.finish) {
        done.set_value();
      }
    };
    if (!engine_.submit(std::move(r))) {
      return;
    }
    done.get_future().wait();
    const std::lock_guard lock(mutex_);
    keep(client.first_token_ms, first);
    keep(client.between_ms, between);
  }
  // n clients until stop() or each has asked n_times.
  void start(uint32_t n, const Client& client, uint32_t n_times) {
    for (uint32_t i = 0; i < n; ++i) {
      threads_.emplace_back([this, client, n_times] {
        for (uint32_t k = 0; k < n_times && !stopping_; ++k) {
          ask(client);
        }
      });
    }
  }
  void join() {
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }
  void stop() {
    stopping_ = true;
    join();
    stopping_ = false;
  }

 private:
  static void keep(Samples* into, const Samples& values) {
    if (into != nullptr) {
      into->insert(into->end(), values.begin(), values.end());
    }
  }
  EngineThread& engine_;
  std::atomic<uint32_t> seed_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<std::thread> threads_;
};

void report(const char* what, const Samples& ms) {
  fmt::print("{:<44} n {:>5}  p50 {:>8.1f}  p99 {:>8.1f} ms\n", what, ms.size(),
             percentile(ms, 0.5), percentile(ms, 0.99));
}

void decode_32(EngineThread& engine) {
  Load load(engine);
  Samples between;
  load.start(32, {.n_prompt = 16, .n_gen = 100, .between_ms = &between}, 1);
  load.join();
  report("32 streams, between tokens", between);
}

void long_prompt(EngineThread& engine) {
  Load load(engine);
  Samples alone;
  load.start(8, {.n_prompt = 32, .n_gen = 120, .between_ms = &alone}, 1);
  load.join();
  report("8 streams, between tokens, alone", alone);
  Samples beside;
  load.start(8, {.n_prompt = 32, .n_gen = 400, .between_ms = &beside}, 1);
  Samples first;
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  load.ask({.n_prompt = 4000, .n_gen = 1, .first_token_ms = &first});
  load.join();
  report("the 4,000 tokens' first token", first);
  report("8 streams, with that beside them", beside);
}

void priorities(EngineThread& engine) {
  Load high(engine);
  Load normal(engine);
  Samples unloaded;
  high.start(2, {.priority = -10, .first_token_ms = &unloaded}, 6);
  high.join();
  report("class high, first token, unloaded", unloaded);
  Samples loaded;
  Samples others;
  normal.start(160, {.first_token_ms = &others}, 1000);
  std::this_thread::sleep_for(std::chrono::seconds(3));
  high.start(2, {.priority = -10, .first_token_ms = &loaded}, 8);
  high.join();
  normal.stop();
  report("class high, first token, 160 normal clients", loaded);
  report("normal ones'", others);
}

int run(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: serving_bench MODEL [n_threads]\n");
    return 2;
  }
  const auto n_threads = static_cast<uint32_t>(argc > 2 ? std::atoi(argv[2]) : 0);
  auto loaded = LoadedModel::load(
      {.path = argv[1], .n_threads = n_threads, .max_batch_tokens = 512, .max_seqs = 32},
      Log::to_stderr(false));
  if (!loaded) {
    fmt::print(stderr, "{}\n", loaded.error().to_string());
    return 1;
  }
  EngineMetrics metrics;
  auto engine = EngineThread::start(**loaded, {.engine = {.max_context = 8192, .max_seqs = 32}},
                                    metrics, Log::to_stderr(false));
  if (!engine) {
    fmt::print(stderr, "{}\n", engine.error().to_string());
    return 1;
  }
  const std::string only = argc > 3 ? argv[3] : "";
  if (only.empty() || only == "decode") {
    decode_32(**engine);
  }
  if (only.empty() || only == "prompt") {
    long_prompt(**engine);
  }
  if (only.empty() || only == "priority") {
    priorities(**engine);
  }
  const auto steps = metrics.step_time_s.snapshot();
  fmt::print("{} steps, mean {:.1f} ms; {} preemptions\n", steps.count,
             1e3 * steps.sum / static_cast<double>(std::max<uint64_t>(steps.count, 1)),
             metrics.n_preemptions.load());
  return 0;
}

}  // namespace
}  // namespace quern

int main(int argc, char** argv) {
  return quern::run(argc, argv);
}
