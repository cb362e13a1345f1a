// RandomWeights: bytes of tensors with random numbers, made as fast as memory is written. Blocks of
// bell-shaped numbers are quantised once, and rows are put together from them at random: as varied
// as a model's for anything that takes time, and no two rows alike.
// Not thread-safe. Owns its blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "base/result.h"
#include "gguf/writer.h"
#include "recipe.h"

namespace quern::make_model {

class RandomWeights {
 public:
  explicit RandomWeights(uint64_t seed) : engine_(seed) {}

  // Hands all bytes of a matrix, or of a vector around 1, to the sink.
  Status write(const PlannedTensor& tensor, const ByteSink& sink);

 private:
  using Key = std::pair<DType, uint64_t>;  // and the length of a row, which sets the scale

  Result<const std::vector<std::byte>*> blocks(DType dtype, uint64_t n_columns);
  Status write_vector(uint64_t n, const ByteSink& sink);

  std::mt19937_64 engine_;
  std::map<Key, std::vector<std::byte>> blocks_;
};

}  // namespace quern::make_model
