// Tiny random models of each supported architecture against Hugging Face transformers' logits.
#include <gtest/gtest.h>

#include "support/golden.h"
#include "support/matrix.h"
#include "support/model_runner.h"

namespace quern {
namespace {

constexpr double kMaxNmse = 1e-6;  // the golden folder's own bound

class Arch : public testing::TestWithParam<const char*> {};

TEST_P(Arch, LogitsAgreeWithTransformersOnEveryInstructionSet) {
  const auto base = test::golden_dir() / "arch" / GetParam();
  QUERN_NEED_GOLDEN(base.string() + ".json");
  const auto info = test::read_json(base.string() + ".json");
  const auto want = test::read_f32(base.string() + ".logits.f32");
  const auto tokens = test::to_tokens(info["tokens"].get<std::vector<int>>());
  for (const KernelTable* table : test::runnable_tables()) {
    const auto runner =
        test::ModelRunner::open(base.string() + ".gguf", {.isa = std::string(table->isa)});
    ASSERT_NE(runner, nullptr);
    const double error = test::nmse(runner->logits(tokens, 48), want);
    EXPECT_LE(error, kMaxNmse) << table->isa;
    std::printf("%s on %s: NMSE %.2e\n", GetParam(), std::string(table->isa).c_str(), error);
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, Arch,
                         testing::Values("llama", "llama3-rope", "mistral", "mixtral", "qwen2",
                                         "qwen2-yarn", "qwen2moe", "qwen3", "qwen3moe"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Stories260k, LogitsAndGreedyTextAgreeWithLlamaCpp) {
  const auto dir = test::golden_dir() / "stories260k";
  QUERN_NEED_GOLDEN(dir / "reference.json");
  const auto runner = test::ModelRunner::open(dir / "stories260K.gguf");
  ASSERT_NE(runner, nullptr);
  for (const auto& item : test::read_json(dir / "reference.json")) {
    const auto tokens = test::to_tokens(item["tokens"].get<std::vector<int>>());
    const auto logits = runner->logits(tokens, 128);
    const size_t last = (tokens.size() - 1) * runner->vocab_size();
    std::vector<float> got;
    std::vector<float> want;
    for (const auto& pair : item["last_top20"]) {
      got.push_back(logits[last + pair[0].get<size_t>()]);
      want.push_back(pair[1].get<float>());
    }
    EXPECT_LE(test::nmse(got, want), kMaxNmse) << item["prompt"];
  }
}

}  // namespace
}  // namespace quern
