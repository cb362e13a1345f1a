// The structure of one GGUF file: header, metadata, tensor directory, checked against the size of
// the file and against sane limits. Untrusted bytes in; nothing out that points outside them.
// Source: ggml's docs/gguf.md.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "gguf/model_card.h"

namespace quern {

// Several times what the largest published model needs, so that no file can ask for much memory.
namespace gguf_limits {
inline constexpr uint64_t kHeaderBytes = 128ULL << 20;
inline constexpr uint64_t kPairs = 1ULL << 16;
inline constexpr uint64_t kTensors = 1ULL << 17;
inline constexpr uint64_t kKeyBytes = (1ULL << 16) - 1;  // gguf.md
inline constexpr uint64_t kTensorNameBytes = 64;         // gguf.md
inline constexpr uint64_t kArrayStrings = 1ULL << 22;    // the largest vocabularies: 2^18
inline constexpr uint64_t kArrayDepth = 8;               // arrays inside arrays
inline constexpr uint64_t kNestedArrays = 1ULL << 16;    // in one file
inline constexpr uint64_t kMinAlignment = 8;             // gguf.md: a multiple of 8
inline constexpr uint64_t kMaxAlignment = 1ULL << 20;
inline constexpr uint64_t kDefaultAlignment = 32;  // gguf.md
inline constexpr uint64_t kSplitFiles = 1024;
}  // namespace gguf_limits

struct FileHeader {
  uint32_t version = 0;
  uint64_t alignment = gguf_limits::kDefaultAlignment;
  uint64_t n_header_bytes = 0;  // up to the end of the tensor directory
  uint64_t data_offset = 0;     // n_header_bytes rounded up to the alignment
  std::vector<MetaPair> metadata;
  std::vector<TensorInfo> tensors;
};

// `bytes` is a file or its beginning, `n_file_bytes` the size of the whole file. The result's views
// point into `bytes`. Keys are unique and tensors lie inside the file without overlap; that names
// of tensors are unique is for the caller to check, over all files of a split set.
Result<FileHeader> parse_header(ByteSpan bytes, uint64_t n_file_bytes);

}  // namespace quern
