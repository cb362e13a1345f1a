// Runs a model's forward pass in tests without an engine: a plain block table per sequence.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "model/model.h"

namespace quern::test {

struct RunnerOptions {
  uint32_t n_threads = 2;
  std::optional<std::string> isa = {};
  KvDType kv = KvDType::f16;
  uint32_t n_blocks = 256;
  uint32_t max_rows = 128;
  std::unique_ptr<CpuMemory> memory = {};
};

class ModelRunner {
 public:
  // Fails the running test, and returns null, when the model cannot be loaded.
  static std::unique_ptr<ModelRunner> open(const std::filesystem::path& path,
                                           RunnerOptions options = {});

  Model& model() { return *model_; }
  Backend& backend() { return *backend_; }
  uint32_t vocab_size() const { return model_->config().vocab_size; }

  // A new sequence; its blocks are its own.
  struct Sequence {
    std::vector<BlockId> blocks;
    uint32_t n_done = 0;
  };
  Sequence new_sequence(uint32_t n_tokens);

  struct Part {
    Sequence* sequence = nullptr;
    std::vector<TokenId> tokens;
    std::optional<std::vector<uint32_t>> wanted = {};  // rows of the part, ascending; none: all
  };
  // One forward pass over the parts together; returns the logits of the wanted rows, part by part.
  std::vector<std::vector<float>> step(const std::vector<Part>& parts);

  // All logits of a lone sequence, `chunk` tokens a step.
  std::vector<float> logits(const std::vector<TokenId>& tokens, uint32_t chunk);

 private:
  std::unique_ptr<Backend> backend_;
  ModelCard card_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<KvStorage> kv_;
  int32_t next_block_ = 0;
};

std::vector<TokenId> to_tokens(const std::vector<int>& ids);

}  // namespace quern::test
