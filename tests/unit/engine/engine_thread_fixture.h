// EngineThreadTest: an engine thread on the tiny model, and answers that a test can wait for.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <memory>

#include "backend/cpu/cpu_backend.h"
#include "engine/engine_thread.h"
#include "faulty_memory.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace quern {

// One request's events, filled by the engine thread; ended() waits for the last.
struct Answer {
  std::vector<TokenId> tokens;
  std::string text;
  std::vector<float> logprobs;
  FinishReason finish = FinishReason::error;
  FinishCause cause = FinishCause::none;
  std::string error;
  ErrorKind error_kind = ErrorKind::device;
  RequestUsage usage;
  std::promise<void> done;

  void take(const TokenEvent& event) {
    text += event.text;
    if (event.token != kNoToken) {
      tokens.push_back(event.token);
      if (event.sample != nullptr && event.sample->logprob) {
        logprobs.push_back(*event.sample->logprob);
        for (const TokenLogprob& top : event.sample->top_logprobs) {
          logprobs.push_back(top.logprob);
        }
      }
    }
    if (event.finish) {
      finish = *event.finish;
      cause = event.cause;
      error = event.error;
      error_kind = event.error_kind;
      usage = event.usage;
      done.set_value();
    }
  }
  const Answer& ended() {
    done.get_future().wait();
    return *this;
  }
};

// Holds the engine thread inside a request's second token, so in its second step, until it is let
// go.
struct Gate {
  std::latch reached{1};
  std::latch open{1};
  void pass() {
    reached.count_down();
    open.wait();
  }
};

class EngineThreadTest : public testing::Test {
 protected:
  void SetUp() override { test::write_tiny_model(path(), {.dtype = DType::q4_0}); }
  void TearDown() override { thread.reset(); }

  std::filesystem::path path() const { return dir_.path() / "tiny.gguf"; }

  void start(const EngineThreadConfig& config, const Log& log = Log()) {
    thread.reset();
    auto backend = make_cpu_backend(
        {.n_threads = 1, .memory = std::make_unique<test::FaultyMemory>(n_faults)});
    ASSERT_TRUE(backend.has_value());
    auto model = LoadedModel::load(
        {.path = path(), .max_batch_tokens = 48, .max_seqs = 16, .backend = std::move(*backend)},
        Log());
    ASSERT_TRUE(model.has_value()) << model.error().to_string();
    loaded = std::move(*model);
    auto started = EngineThread::start(*loaded, config, metrics, log);
    ASSERT_TRUE(started.has_value()) << started.error().to_string();
    thread = std::move(*started);
  }

  Request request(Answer& answer, uint32_t n_prompt = 20, uint32_t max_tokens = 8) const {
    Request r;
    for (uint32_t k = 0; k < n_prompt; ++k) {
      r.prompt.push_back(TokenId{static_cast<int32_t>(3 + k % 250)});
    }
    r.max_tokens = max_tokens;
    r.sampling.ignore_eos = true;
    for (uint32_t i = 0; i < loaded->tokenizer().vocab_size(); ++i) {
      const TokenId token{static_cast<int32_t>(i)};
      if (loaded->tokenizer().is_end_of_generation(token)) {
        r.sampling.end_tokens.push_back(token);
      }
    }
    r.on_event = [&answer](const TokenEvent& event) { answer.take(event); };
    return r;
  }

  // A request whose second token waits at the gate, inside a step.
  SeqId submit_gated(Answer& answer, Gate& gate) {
    Request r = request(answer);
    r.on_event = [&answer, &gate](const TokenEvent& event) {
      if (answer.tokens.size() == 1 && event.token != kNoToken) {
        gate.pass();
      }
      answer.take(event);
    };
    const auto id = thread->submit(std::move(r));
    EXPECT_TRUE(id.has_value());
    gate.reached.wait();
    return *id;
  }

  uint64_t finished(FinishReason reason) const {
    return metrics.n_finished[static_cast<size_t>(reason)];
  }
  uint64_t rejected(RejectReason reason) const {
    return metrics.n_rejected[static_cast<size_t>(reason)];
  }

  test::TempDir dir_;
  std::atomic<int> n_faults{0};
  EngineMetrics metrics;
  std::unique_ptr<LoadedModel> loaded;
  std::unique_ptr<EngineThread> thread;
};

}  // namespace quern
