// GgufWriter: writes GGUF files of version 2 or 3: metadata of every type, then tensors whose bytes
// are asked for while writing, so that no model need fit in memory. Not thread-safe. Copies the
// metadata it is given; borrows nothing but what the tensor sources themselves hold.
// Source: ggml's docs/gguf.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "gguf/model_card.h"

namespace quern {

// Takes the next piece of a stream.
using ByteSink = std::function<Status(ByteSpan)>;
// Hands a tensor's bytes, in order and in pieces of any size, to the sink.
using TensorSource = std::function<Status(const ByteSink&)>;

struct TensorSpec {
  std::string name;  // 1 to 64 bytes, unique
  DType dtype = DType::f32;
  Shape shape;  // row-major; the file gets it innermost first
};

class GgufWriter {
 public:
  // Version 2 or 3; anything else is a bug of the caller.
  explicit GgufWriter(uint32_t version = 3);

  // Appends a pair; the key must be new and of 1 to 65535 bytes. "general.alignment" also sets the
  // alignment of the file, which is 32 without it.
  Status add(std::string_view key, const MetaValue& value);
  // Appends all pairs of a card except split.*, which describe the set it was read from.
  Status add_metadata(const ModelCard& card);
  // Appends a tensor; `source` is called once by each write and must give exactly its bytes.
  Status add_tensor(TensorSpec spec, TensorSource source);
  // A tensor whose bytes lie in memory, and stay there until the file is written.
  Status add_tensor(TensorSpec spec, ByteSpan bytes);

  // Writes everything as one file, in order.
  Status write(const ByteSink& sink) const;
  // The same into a file, which appears under its name only when it is complete.
  Status write_file(const std::filesystem::path& path) const;
  // Writes NAME-00001-of-0000N.gguf and so on: at most `max_tensors` (at least 1) tensors in each,
  // all metadata in the first. Returns the paths. `base` is the path up to NAME.
  Result<std::vector<std::filesystem::path>> write_split(const std::filesystem::path& base,
                                                         uint64_t max_tensors) const;

 private:
  struct Tensor {
    TensorSpec spec;
    uint64_t n_bytes = 0;
    TensorSource source;
  };
  // A file to write: its pairs, and tensors [begin, end).
  struct Part {
    std::string pairs;
    uint64_t n_pairs = 0;
    uint64_t begin = 0;
    uint64_t end = 0;
  };

  Status write_part(const Part& part, const ByteSink& sink) const;
  Status write_part_file(const Part& part, const std::filesystem::path& path) const;
  std::string header(const Part& part) const;

  uint32_t version_;
  uint64_t alignment_;
  std::string pairs_;  // encoded
  std::vector<std::string> keys_;
  std::vector<Tensor> tensors_;
};

}  // namespace quern
