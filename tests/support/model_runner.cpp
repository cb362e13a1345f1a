#include "support/model_runner.h"

#include <gtest/gtest.h>

#include <numeric>

#include <algorithm>

#include "gguf/reader.h"

namespace quern::test {

std::unique_ptr<ModelRunner> ModelRunner::open(const std::filesystem::path& path,
                                               RunnerOptions options) {
  auto runner = std::make_unique<ModelRunner>();
  auto backend = make_cpu_backend(
      {.n_threads = options.n_threads, .isa = options.isa, .memory = std::move(options.memory)});
  auto card = read_model_card(path);
  if (!backend || !card) {
    ADD_FAILURE() << (backend ? card.error() : backend.error()).to_string();
    return nullptr;
  }
  runner->backend_ = std::move(*backend);
  runner->card_ = std::move(*card);
  auto model = Model::load(runner->card_, *runner->backend_, {.max_rows = options.max_rows});
  if (!model) {
    ADD_FAILURE() << model.error().to_string();
    return nullptr;
  }
  runner->model_ = std::move(*model);
  auto kv = runner->model_->make_kv(options.n_blocks, options.kv);
  EXPECT_TRUE(kv.has_value());
  runner->kv_ = std::move(*kv);
  return runner;
}

ModelRunner::Sequence ModelRunner::new_sequence(uint32_t n_tokens) {
  Sequence sequence;
  for (uint32_t i = 0; i < n_tokens; i += kKvBlockTokens) {
    sequence.blocks.push_back(BlockId{next_block_++});
  }
  EXPECT_LE(static_cast<uint32_t>(next_block_), kv_->spec().n_blocks);
  return sequence;
}

namespace {

std::vector<uint32_t> wanted_rows(const ModelRunner::Part& part) {
  if (part.wanted) {
    return *part.wanted;
  }
  std::vector<uint32_t> all(part.tokens.size());
  std::iota(all.begin(), all.end(), 0U);
  return all;
}

}  // namespace

std::vector<std::vector<float>> ModelRunner::step(const std::vector<Part>& parts) {
  Batch batch;
  for (const Part& part : parts) {
    batch.sequences.push_back({.seq = SeqId{batch.sequences.size()},
                               .first_row = batch.n_rows(),
                               .n_rows = static_cast<uint32_t>(part.tokens.size()),
                               .position = part.sequence->n_done,
                               .first_block = static_cast<uint32_t>(batch.blocks.size()),
                               .n_blocks = static_cast<uint32_t>(part.sequence->blocks.size())});
    const uint32_t first_row = batch.n_rows();
    for (const uint32_t row : wanted_rows(part)) {
      batch.logit_rows.push_back(first_row + row);
    }
    for (const TokenId token : part.tokens) {
      batch.positions.push_back(static_cast<int32_t>(part.sequence->n_done++));
      batch.tokens.push_back(token);
    }
    batch.blocks.insert(batch.blocks.end(), part.sequence->blocks.begin(),
                        part.sequence->blocks.end());
  }
  EXPECT_TRUE(model_->forward(batch, *kv_).has_value());
  std::vector<std::vector<float>> all;
  uint32_t row = 0;
  for (const Part& part : parts) {
    const size_t n_wanted = wanted_rows(part).size();
    std::vector<float> logits(n_wanted * vocab_size());
    for (size_t i = 0; i < n_wanted; ++i) {
      model_->logits(row++, std::span(logits).subspan(i * vocab_size(), vocab_size()));
    }
    all.push_back(std::move(logits));
  }
  return all;
}

std::vector<float> ModelRunner::logits(const std::vector<TokenId>& tokens, uint32_t chunk) {
  Sequence sequence = new_sequence(static_cast<uint32_t>(tokens.size()));
  std::vector<float> all;
  for (size_t i = 0; i < tokens.size(); i += chunk) {
    const size_t n = std::min<size_t>(chunk, tokens.size() - i);
    const auto first = tokens.begin() + static_cast<std::ptrdiff_t>(i);
    const auto part = step({{&sequence, {first, first + static_cast<std::ptrdiff_t>(n)}}});
    all.insert(all.end(), part[0].begin(), part[0].end());
  }
  return all;
}

std::vector<TokenId> to_tokens(const std::vector<int>& ids) {
  std::vector<TokenId> tokens;
  for (const int id : ids) {
    tokens.push_back(TokenId{id});
  }
  return tokens;
}

}  // namespace quern::test
