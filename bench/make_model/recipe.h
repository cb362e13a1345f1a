// Recipe: the shape and the format of a model to be made up, and which type each tensor is
// stored as.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace quern::make_model {

// The defaults are an 8B model's dimensions with few layers.
struct Recipe {
  std::string architecture = "llama";  // llama, qwen3 or qwen3moe
  std::string format = "Q4_K_M";
  uint32_t n_layers = 8;
  uint32_t d_model = 4096;
  uint32_t n_heads = 32;
  uint32_t n_kv_heads = 8;
  uint32_t head_dim = 128;
  uint32_t d_ff = 14336;  // of an expert where there are experts
  uint32_t vocab_size = 128256;
  uint32_t n_experts = 0;
  uint32_t n_experts_used = 0;
  uint32_t max_context = 32768;
  uint64_t seed = 1;

  bool has_head_norms() const { return architecture != "llama"; }
  uint32_t q_width() const { return n_heads * head_dim; }
  uint32_t kv_width() const { return n_kv_heads * head_dim; }
};

// Errors name the option and what fits.
Status check(const Recipe& recipe);

// "F32, F16, ..., Q4_K_M, Q5_K_M"
std::vector<std::string> format_names();
// general.file_type's number.
uint32_t file_type(const std::string& format);

struct PlannedTensor {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
};
// Every tensor in file order. Types are those that llama.cpp's quantize gives them without an
// importance matrix (its src/llama-quant.cpp, llama_tensor_get_type_impl).
std::vector<PlannedTensor> plan(const Recipe& recipe);

}  // namespace quern::make_model
