// A random model of a given weight format, small enough for tests that need no golden input.
#pragma once

#include <filesystem>

#include "tensor/dtype.h"

namespace quern::test {

struct TinyModel {
  DType dtype = DType::f16;            // of every matrix
  const char* architecture = "llama";  // or one with the same tensors and its own: qwen3moe
  uint32_t n_layers = 2;
  uint32_t n_heads = 8;
  uint32_t n_kv_heads = 4;
  uint32_t d_model = 256;  // a super-block of every format
  uint32_t d_ff = 512;
  uint32_t vocab_size = 300;
  uint32_t n_padding_rows = 0;  // of embedding and head, beyond the vocabulary
  uint32_t max_context = 2048;
  const char* chat_template = nullptr;
  uint32_t n_experts = 0;  // of d_ff each; 0 is a dense model
  uint32_t n_experts_used = 2;
  const char* pre_tokenizer = nullptr;  // of a byte-level vocabulary, for tests that refuse it
  bool experts_apart = false;           // a tensor of each expert, as older files have them
};

// Writes it as a GGUF file with a byte-level vocabulary.
void write_tiny_model(const std::filesystem::path& path, const TinyModel& model);

}  // namespace quern::test
