#include "random_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "kernels/quantise.h"

namespace quern::make_model {
namespace {

constexpr uint32_t kBlocks = 4096;  // a power of two
constexpr size_t kPieceBytes = size_t{1} << 20;

// What is put together: a block, or 32 numbers of a plain type.
uint32_t unit_elements(DType dtype) {
  return std::max(32U, traits(dtype).block_elements);
}

}  // namespace

Result<const std::vector<std::byte>*> RandomWeights::blocks(DType dtype, uint64_t n_columns) {
  std::vector<std::byte>& bytes = blocks_[{dtype, n_columns}];
  if (bytes.empty()) {
    const size_t n = size_t{kBlocks} * unit_elements(dtype);
    // Products keep the size of their operand.
    std::normal_distribution<float> draw(0.0F, 1.0F / std::sqrt(static_cast<float>(n_columns)));
    std::vector<float> values(n);
    std::ranges::generate(values, [&] { return draw(engine_); });
    bytes.resize(row_bytes(dtype, n).value_or(0));
    QUERN_TRY(quantise_row(dtype, values.data(), bytes.data(), n));
  }
  return &bytes;
}

Status RandomWeights::write_vector(uint64_t n, const ByteSink& sink) {
  std::normal_distribution<float> draw(1.0F, 0.05F);
  std::vector<float> values(n);
  std::ranges::generate(values, [&] { return draw(engine_); });
  return sink(std::as_bytes(std::span(values)));
}

Status RandomWeights::write(const PlannedTensor& tensor, const ByteSink& sink) {
  const uint64_t n = tensor.shape.n_elements().value_or(0);
  if (tensor.shape.n_dims() == 1) {
    return write_vector(n, sink);
  }
  QUERN_ASSIGN(const std::vector<std::byte>* pool, blocks(tensor.dtype, tensor.shape.back()));
  const size_t unit_bytes = pool->size() / kBlocks;
  const size_t units_at_once = kPieceBytes / unit_bytes;
  std::vector<std::byte> piece;
  for (uint64_t left = n / unit_elements(tensor.dtype); left > 0;) {
    const auto n_units = static_cast<size_t>(std::min<uint64_t>(left, units_at_once));
    piece.resize(n_units * unit_bytes);
    for (size_t i = 0; i < n_units; ++i) {
      const size_t block = engine_() % kBlocks;
      std::memcpy(&piece[i * unit_bytes], pool->data() + block * unit_bytes, unit_bytes);
    }
    QUERN_TRY(sink(piece));
    left -= n_units;
  }
  return {};
}

}  // namespace quern::make_model
