// ModelCard: the validated metadata and tensor directory of a GGUF model (a split set counts as
// one). Immutable after creation, so any thread may read it. Owns a copy of the header's bytes:
// every string_view and span it hands out lives as long as the card, and none points into the
// mapped file. Source: ggml's docs/gguf.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/meta_value.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace quern {

struct TensorInfo {
  std::string_view name;
  DType dtype = DType::f32;
  Shape shape;               // row-major: [n_rows, n_columns] for a matrix
  uint64_t file_offset = 0;  // from the start of its file
  uint64_t n_bytes = 0;
  uint32_t file_index = 0;  // which file of a split set
};

class ModelCard {
 public:
  ModelCard() = default;
  ModelCard(ModelCard&&) = default;
  ModelCard& operator=(ModelCard&&) = default;

  const std::vector<std::filesystem::path>& files() const;
  uint32_t version() const;
  uint64_t alignment() const;
  // general.architecture, e.g. "llama".
  std::string_view architecture() const;

  // Every pair in file order (of the first file of a split set).
  std::span<const MetaPair> metadata() const;
  const MetaValue* find(std::string_view key) const;
  // find(architecture() + "." + suffix), e.g. arch_key "attention.head_count".
  const MetaValue* find_arch(std::string_view suffix) const;

  // The value where the key exists and has a fitting type (any integer that fits; any number for
  // f64); else nullopt. The types of keys that Quern relies on were checked when the card was made.
  std::optional<uint64_t> u64(std::string_view key) const;
  std::optional<int64_t> i64(std::string_view key) const;
  std::optional<double> f64(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string_view> string(std::string_view key) const;
  std::optional<std::span<const std::string_view>> strings(std::string_view key) const;
  // Copies; empty nullopt when absent or not an array of that kind of number.
  std::optional<std::vector<float>> f32s(std::string_view key) const;
  std::optional<std::vector<int64_t>> i64s(std::string_view key) const;
  // Raw bytes of an array of u8 or i8 (e.g. the Unigram normaliser's map).
  std::optional<std::span<const std::byte>> bytes(std::string_view key) const;

  std::span<const TensorInfo> tensors() const;
  const TensorInfo* find_tensor(std::string_view name) const;
  uint64_t n_parameters() const;  // elements of all tensors
  uint64_t tensor_bytes() const;  // bytes of all tensors

 private:
  friend class CardBuilder;

  std::vector<std::filesystem::path> files_;
  uint32_t version_ = 0;
  uint64_t alignment_ = 0;
  std::vector<std::unique_ptr<std::byte[]>> headers_;  // one per file; all views point in here
  std::vector<MetaPair> metadata_;
  std::vector<uint32_t> metadata_by_key_;  // indices in order of key
  std::vector<TensorInfo> tensors_;
  std::vector<uint32_t> tensors_by_name_;  // indices in order of name
};

}  // namespace quern
