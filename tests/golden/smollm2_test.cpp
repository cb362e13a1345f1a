// The demo model against the true value of its quantised weights (golden/smollm2).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/golden.h"
#include "support/model_runner.h"
#include "tensor/half.h"

namespace quern {
namespace {

std::vector<double> log_softmax(const float* logits, size_t n) {
  const double top = static_cast<double>(*std::max_element(logits, logits + n));
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    sum += std::exp(static_cast<double>(logits[i]) - top);
  }
  std::vector<double> result(n);
  for (size_t i = 0; i < n; ++i) {
    result[i] = static_cast<double>(logits[i]) - top - std::log(sum);
  }
  return result;
}

// KL(want || got) of two rows of logits.
double divergence(const float* want, const float* got, size_t n) {
  const auto p = log_softmax(want, n);
  const auto q = log_softmax(got, n);
  double kl = 0;
  for (size_t i = 0; i < n; ++i) {
    kl += std::exp(p[i]) * (p[i] - q[i]);
  }
  return kl;
}

class SmolLm2 : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = test::golden_dir() / "smollm2";
    QUERN_NEED_GOLDEN(dir_ / "reference.json");
    QUERN_NEED_GOLDEN(test::demo_model_path());
    runner_ = test::ModelRunner::open(test::demo_model_path(), {.n_blocks = 64, .max_rows = 512});
    ASSERT_NE(runner_, nullptr);
  }
  std::filesystem::path dir_;
  std::unique_ptr<test::ModelRunner> runner_;
};

TEST_F(SmolLm2, DivergesFromTheTrueLogitsNoMoreThanLlamaCpp) {
  const auto info = test::read_json(dir_ / "kl.json");
  const std::string halves = test::read_text(dir_ / "kl_logits.f16");
  const auto* want_f16 = reinterpret_cast<const uint16_t*>(halves.data());
  const auto positions = info["positions"].get<std::vector<size_t>>();
  const size_t vocab = runner_->vocab_size();
  const auto logits = runner_->logits(test::to_tokens(info["tokens"].get<std::vector<int>>()), 512);
  double total = 0;
  for (size_t i = 0; i < positions.size(); ++i) {
    std::vector<float> want(vocab);
    for (size_t j = 0; j < vocab; ++j) {
      want[j] = f16_to_f32(want_f16[i * vocab + j]);
    }
    total += divergence(want.data(), &logits[positions[i] * vocab], vocab);
  }
  const double mean = total / static_cast<double>(positions.size());
  std::printf("SmolLM2: mean KL %.6f (llama.cpp %.6f)\n", mean,
              info["llama_cpp_mean_kl"].get<double>());
  EXPECT_LE(mean, info["llama_cpp_mean_kl"].get<double>());
}

// Greedy ids may part only at a step whose margin over the runner-up is small.
TEST_F(SmolLm2, GreedyTextIsTheReferenceUpToASmallMargin) {
  constexpr double kSmallMargin = 0.35;
  for (const auto& item : test::read_json(dir_ / "reference.json")) {
    auto tokens = test::to_tokens(item["tokens"].get<std::vector<int>>());
    auto sequence =
        runner_->new_sequence(static_cast<uint32_t>(tokens.size() + item["greedy"].size()));
    for (size_t step = 0; step < item["greedy"].size(); ++step) {
      const auto logits = runner_->step({{&sequence, tokens}})[0];
      const auto last = logits.end() - static_cast<std::ptrdiff_t>(runner_->vocab_size());
      const auto best = static_cast<int>(std::max_element(last, logits.end()) - last);
      if (best != item["greedy"][step].get<int>()) {
        EXPECT_LT(item["greedy_margin"][step].get<double>(), kSmallMargin)
            << item["prompt"] << " step " << step;
        break;
      }
      tokens = {TokenId{best}};
    }
  }
}

}  // namespace
}  // namespace quern
