// The seam below the model: objects are the backend's alone, and weights are read once a step.
#include <gtest/gtest.h>

#include "support/golden.h"
#include "support/matrix.h"
#include "support/model_runner.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"
#include "support/vault_memory.h"

namespace quern {
namespace {

std::vector<TokenId> some_tokens(uint32_t n) {
  std::vector<TokenId> tokens;
  for (uint32_t i = 0; i < n; ++i) {
    tokens.push_back(TokenId{static_cast<int32_t>(i * 37 % 300)});
  }
  return tokens;
}

// A backend whose memory faults on any touch outside its ops runs a model end to end: nothing above
// backend.h looks inside a buffer.
TEST(Vault, RunsAModelEndToEndWithTheSameLogits) {
  const test::TempDir dir;
  const auto path = dir.path() / "tiny.gguf";
  test::write_tiny_model(path, {.dtype = DType::q4_k});
  const auto tokens = some_tokens(40);
  const auto vault = test::ModelRunner::open(path, {.memory = test::make_vault_memory()});
  const auto plain = test::ModelRunner::open(path);
  EXPECT_EQ(vault->logits(tokens, 16), plain->logits(tokens, 16));
}

TEST(Vault, RunsExpertsWithTheSameLogits) {
  const test::TempDir dir;
  const auto path = dir.path() / "tiny.gguf";
  test::write_tiny_model(path, {.dtype = DType::q4_k, .d_ff = 256, .n_experts = 8});
  const auto tokens = some_tokens(40);
  const auto vault = test::ModelRunner::open(path, {.memory = test::make_vault_memory()});
  const auto plain = test::ModelRunner::open(path);
  EXPECT_EQ(vault->logits(tokens, 16), plain->logits(tokens, 16));
}

TEST(Vault, RunsStories260kEndToEnd) {
  const auto dir = test::golden_dir() / "stories260k";
  QUERN_NEED_GOLDEN(dir / "stories260K.gguf");
  const auto item = test::read_json(dir / "reference.json")[0];
  const auto runner =
      test::ModelRunner::open(dir / "stories260K.gguf", {.memory = test::make_vault_memory()});
  auto tokens = test::to_tokens(item["tokens"].get<std::vector<int>>());
  auto sequence = runner->new_sequence(256);
  for (const int want : item["greedy"].get<std::vector<int>>()) {
    const auto logits = runner->step({{&sequence, tokens}})[0];
    const auto last = logits.end() - static_cast<std::ptrdiff_t>(runner->vocab_size());
    const auto best = static_cast<int>(std::max_element(last, logits.end()) - last);
    ASSERT_EQ(best, want);
    tokens = {TokenId{best}};
  }
}

// Whatever the batch, a step reads each matrix that it multiplies with exactly once.
TEST(Backend, ReadsEachWeightMatrixOncePerStep) {
  const test::TempDir dir;
  const auto path = dir.path() / "tiny.gguf";
  constexpr uint32_t kWidth = 256;
  constexpr uint32_t kFfn = 512;
  test::write_tiny_model(
      path,
      {.dtype = DType::q8_0, .n_layers = 3, .d_model = kWidth, .d_ff = kFfn, .vocab_size = 320});
  // q, k, v, out (half as many KV heads), gate, up, down: in Q8_0, 34 bytes hold 32 weights. The
  // vocabulary of 320 rows fills whole tiles of every instruction set.
  const uint64_t per_layer = 3 * kWidth * kWidth + 3 * kWidth * kFfn;
  const uint64_t bytes_per_step = (3 * per_layer + 320 * kWidth) / 32 * 34;
  for (const KernelTable* table : test::runnable_tables()) {
    for (const uint32_t n_tokens : {1U, 2U, 5U, 6U, 7U, 30U}) {
      const auto runner = test::ModelRunner::open(path, {.isa = std::string(table->isa)});
      auto first = runner->new_sequence(64);
      auto second = runner->new_sequence(64);
      const uint64_t before = runner->backend().stats().weight_bytes_read;
      // At most 32 rows of logits, so that the head too is one pass.
      runner->step({{&first, some_tokens(n_tokens)}, {&second, some_tokens(1)}});
      EXPECT_EQ(runner->backend().stats().weight_bytes_read - before, bytes_per_step)
          << table->isa << " with " << n_tokens << " + 1 tokens";
    }
  }
}

// Whatever the batch, each expert that some token chose is read exactly once a step, and no other.
TEST(Backend, ReadsOnlyTheExpertsThatAreUsed) {
  const test::TempDir dir;
  const auto path = dir.path() / "tiny.gguf";
  constexpr uint32_t kWidth = 256;
  test::write_tiny_model(path, {.dtype = DType::q8_0,
                                .n_layers = 3,
                                .d_model = kWidth,
                                .d_ff = kWidth,
                                .vocab_size = 320,
                                .n_experts = 8,
                                .n_experts_used = 2});
  constexpr uint64_t kMatrixBytes = kWidth * kWidth / 32 * 34;
  // Attention takes 3 matrices' worth of a layer; the head 320 rows; the router is f32, and padded
  // to whole tiles as every matrix is.
  for (const KernelTable* table : test::runnable_tables()) {
    const uint64_t router_rows = (8 + table->tile_rows - 1) / table->tile_rows * table->tile_rows;
    const uint64_t dense_bytes =
        3 * (3 * kMatrixBytes + router_rows * kWidth * 4) + 320 * kWidth / 32 * 34;
    const auto runner = test::ModelRunner::open(path, {.isa = std::string(table->isa)});
    auto sequence = runner->new_sequence(64);
    const uint64_t before = runner->backend().stats().weight_bytes_read;
    runner->step({{&sequence, some_tokens(1)}});
    const uint64_t one_token = runner->backend().stats().weight_bytes_read - before;
    EXPECT_EQ(one_token, dense_bytes + 3 * 2 * 3 * kMatrixBytes) << table->isa;
    // With 30 tokens all of the 8 may be used, once each.
    runner->step({{&sequence, some_tokens(30)}});
    const uint64_t many = runner->backend().stats().weight_bytes_read - before - one_token;
    EXPECT_LE(many, dense_bytes + 3 * 8 * 3 * kMatrixBytes) << table->isa;
    EXPECT_EQ((many - dense_bytes) % (3 * kMatrixBytes), 0U) << table->isa;
  }
}

// Files from before experts shared a tensor hold the same model.
TEST(Backend, ExpertsInTensorsOfTheirOwnGiveTheSameLogits) {
  const test::TempDir dir;
  test::TinyModel model{.dtype = DType::q5_k, .d_ff = 256, .n_experts = 4};
  test::write_tiny_model(dir.path() / "together.gguf", model);
  model.experts_apart = true;
  test::write_tiny_model(dir.path() / "apart.gguf", model);
  const auto tokens = some_tokens(20);
  const auto together = test::ModelRunner::open(dir.path() / "together.gguf");
  const auto apart = test::ModelRunner::open(dir.path() / "apart.gguf");
  EXPECT_EQ(apart->logits(tokens, 20), together->logits(tokens, 20));
}

TEST(Backend, AccountsForWhatItHolds) {
  const test::TempDir dir;
  const auto path = dir.path() / "tiny.gguf";
  test::write_tiny_model(path, {.dtype = DType::f32, .vocab_size = 320});
  const auto runner = test::ModelRunner::open(path, {.n_blocks = 10});
  const BackendStats stats = runner->backend().stats();
  // Every tensor of the file, in f32; f16 keys and values of 2 layers, 4 heads of 32, 10 blocks
  // of 16.
  const uint64_t matrices = 2 * (3 * 256 * 256 + 3 * 256 * 512) + 2 * 320 * 256;
  EXPECT_EQ(stats.weight_bytes, (matrices + 5 * 256) * 4);
  EXPECT_EQ(stats.kv_bytes, 2ULL * 2 * 4 * 32 * 160 * 2);
  EXPECT_GT(stats.activation_bytes, 0U);
}

TEST(Backend, RefusesAnInstructionSetThatIsNotThere) {
  const auto backend = make_cpu_backend({.n_threads = 1, .isa = "avx9000"});
  ASSERT_FALSE(backend.has_value());
  EXPECT_EQ(backend.error().kind, ErrorKind::usage);
}

TEST(Backend, RunsOnTheInstructionSetThatWasForced) {
  for (const KernelTable* table : test::runnable_tables()) {
    const auto backend = make_cpu_backend({.n_threads = 1, .isa = std::string(table->isa)});
    ASSERT_TRUE(backend.has_value());
    EXPECT_EQ((*backend)->isa(), table->isa);
  }
}

}  // namespace
}  // namespace quern
