// Embeddings: the mean of the last hidden states, at length 1, the same alone or in company.
#include "engine/embedding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <future>

#include "gguf/reader.h"
#include "kernels/scalar/dequantise.h"
#include "support/golden.h"
#include "support/temp_dir.h"
#include "support/tiny_model.h"

namespace quern {
namespace {

std::vector<TokenId> tokens(uint32_t n, uint32_t step) {
  std::vector<TokenId> result;
  for (uint32_t i = 0; i < n; ++i) {
    result.push_back(TokenId{static_cast<int32_t>(3 + i * step % 250)});
  }
  return result;
}

TEST(MeanPoolTest, IsTheMeanAtLengthOne) {
  MeanPool pool;
  EXPECT_TRUE(pool.normalised().empty());
  pool.add(std::vector<float>{4.0F, 0.0F});
  pool.add(std::vector<float>{2.0F, 8.0F});
  // The mean is (3, 4), its length 5.
  EXPECT_EQ(pool.normalised(), (std::vector<float>{0.6F, 0.8F}));
}

TEST(MeanPoolTest, ZerosStayZeros) {
  MeanPool pool;
  pool.add(std::vector<float>{0.0F, 0.0F});
  EXPECT_EQ(pool.normalised(), (std::vector<float>{0.0F, 0.0F}));
}

class EmbeddingTest : public testing::Test {
 protected:
  void SetUp() override {
    test::write_tiny_model(path(), {});
    auto loaded = LoadedModel::load(
        {.path = path(), .n_threads = 1, .max_batch_tokens = 48, .max_seqs = 4}, Log());
    ASSERT_TRUE(loaded.has_value()) << loaded.error().to_string();
    loaded_ = std::move(*loaded);
    auto engine = EngineThread::start(
        *loaded_, {.engine = {.max_context = 256, .kv_bytes = 4 << 20, .max_seqs = 4}}, metrics_,
        Log());
    ASSERT_TRUE(engine.has_value()) << engine.error().to_string();
    engine_ = std::move(*engine);
  }
  std::filesystem::path path() const { return dir_.path() / "tiny.gguf"; }

  test::TempDir dir_;
  EngineMetrics metrics_;
  std::unique_ptr<LoadedModel> loaded_;
  std::unique_ptr<EngineThread> engine_;
};

TEST_F(EmbeddingTest, HasTheModelsWidthAndLengthOne) {
  const auto vector = embed(*engine_, tokens(20, 7));
  ASSERT_TRUE(vector.has_value()) << vector.error().to_string();
  EXPECT_EQ(vector->size(), loaded_->model().config().d_model);
  double square = 0.0;
  for (const float value : *vector) {
    square += double{value} * double{value};
  }
  EXPECT_NEAR(square, 1.0, 1e-5);
}

// The architecture's definition: logits are the head's rows, read from the file, times the state.
TEST_F(EmbeddingTest, TheHeadTimesAHiddenStateIsItsLogits) {
  std::vector<float> hidden;
  std::vector<float> logits;
  std::promise<void> done[2];
  const auto ask = [&](std::promise<void>& end) {
    Request request;
    request.prompt = {TokenId{40}};
    request.on_event = [&end](const TokenEvent&) { end.set_value(); };
    return request;
  };
  Request for_hidden = ask(done[0]);
  for_hidden.on_hidden = [&](uint32_t, std::span<const float> x) {
    hidden.assign(x.begin(), x.end());
  };
  Request for_logits = ask(done[1]);
  for_logits.on_logits = [&](uint32_t, std::span<const float> x) {
    logits.assign(x.begin(), x.end());
  };
  ASSERT_TRUE(engine_->submit(std::move(for_hidden)).has_value());
  ASSERT_TRUE(engine_->submit(std::move(for_logits)).has_value());
  done[0].get_future().wait();
  done[1].get_future().wait();
  const ModelCard card = read_model_card(path()).value();
  const TensorInfo& head = *card.find_tensor("output.weight");
  const std::vector<std::byte> file = test::read_bytes(path());
  std::vector<float> row(256);
  for (const uint32_t token : {0U, 77U, 299U}) {
    dequantise_row(head.dtype, file.data() + head.file_offset + token * 256 * 2, row.data(), 256);
    double sum = 0.0;
    for (size_t i = 0; i < row.size(); ++i) {
      sum += double{row[i]} * double{hidden[i]};
    }
    EXPECT_NEAR(logits[token], sum, 1e-3);
  }
}

TEST_F(EmbeddingTest, EveryPositionIsToldOnceInOrder) {
  std::vector<uint32_t> positions;
  std::promise<void> done;
  Request request;
  request.prompt = tokens(100, 3);  // two chunks and a part
  request.on_hidden = [&](uint32_t position, std::span<const float> hidden) {
    positions.push_back(position);
    EXPECT_EQ(hidden.size(), 256U);
  };
  request.on_event = [&](const TokenEvent& event) {
    if (event.finish) {
      done.set_value();
    }
  };
  ASSERT_TRUE(engine_->submit(std::move(request)).has_value());
  done.get_future().wait();
  ASSERT_EQ(positions.size(), 100U);
  for (uint32_t i = 0; i < 100; ++i) {
    EXPECT_EQ(positions[i], i);
  }
}

TEST_F(EmbeddingTest, IsTheSameBytesInCompany) {
  std::vector<std::vector<float>> alone;
  for (uint32_t i = 1; i <= 6; ++i) {
    alone.push_back(embed(*engine_, tokens(30 * i, i)).value());
  }
  std::vector<std::future<Result<Embedding>>> together;
  for (uint32_t i = 1; i <= 6; ++i) {
    const auto promise = std::make_shared<std::promise<Result<Embedding>>>();
    together.push_back(promise->get_future());
    ASSERT_TRUE(engine_
                    ->submit(embedding_request(tokens(30 * i, i),
                                               [promise](Result<Embedding> result) {
                                                 promise->set_value(std::move(result));
                                               }))
                    .has_value());
  }
  Request chat;
  chat.prompt = tokens(40, 9);
  chat.max_tokens = 20;
  ASSERT_TRUE(engine_->submit(std::move(chat)).has_value());
  for (size_t i = 0; i < 6; ++i) {
    const auto embedding = together[i].get();
    ASSERT_TRUE(embedding.has_value()) << embedding.error().to_string();
    EXPECT_EQ(embedding->values, alone[i]);
    EXPECT_EQ(embedding->usage.prompt_tokens, 30 * (i + 1));
  }
}

TEST_F(EmbeddingTest, APromptTheEngineCannotTakeIsRefused) {
  EXPECT_EQ(embed(*engine_, {}).error().kind, ErrorKind::invalid_input);
  EXPECT_EQ(embed(*engine_, tokens(257, 1)).error().kind, ErrorKind::invalid_input);
  Request request;
  request.prompt = tokens(3, 1);
  request.max_tokens = 1;
  request.on_hidden = [](uint32_t, std::span<const float>) {};
  EXPECT_EQ(engine_->submit(std::move(request)).error().kind, ErrorKind::invalid_input);
}

TEST_F(EmbeddingTest, ACancelledOneIsAnError) {
  const auto promise = std::make_shared<std::promise<Result<Embedding>>>();
  auto answer = promise->get_future();
  ASSERT_TRUE(engine_->submit(embedding_request(
      tokens(250, 1), [promise](auto result) { promise->set_value(std::move(result)); })));
  engine_.reset();  // ends what runs
  const auto embedding = answer.get();
  EXPECT_TRUE(embedding.has_value() || embedding.error().kind == ErrorKind::cancelled);
}

}  // namespace
}  // namespace quern
