// Reading the header of a model: from a file or from bytes to a ModelCard.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/fail_point.h"
#include "base/result.h"
#include "gguf/model_card.h"

namespace quern {

// Reads and checks the header of a GGUF file, and of all files of its set when it is the first of a
// split one (NAME-00001-of-00003.gguf): the structure, and the values of the keys that Quern knows
// (validate_card). Costs milliseconds and about three times the header's bytes in memory, whatever
// the file claims. An error has the path of the file. The fail points hit, at each file: mmap,
// read.
Result<ModelCard> read_model_card(const std::filesystem::path& path,
                                  FailPoints* fail_points = nullptr);

// The same for the bytes of one file, or of its beginning as long as that holds the whole header;
// `n_file_bytes` is the size that tensors are checked against. Checks the structure alone.
Result<ModelCard> parse_model_card(ByteSpan bytes, uint64_t n_file_bytes);

// The name of part `i` (0-based) of a split set of `n`: "NAME-00001-of-00003.gguf" for 0 of 3.
std::string split_file_name(const std::string& base, uint64_t i, uint64_t n);

// What a file's name says about its place in a split set.
struct SplitName {
  std::string base;  // the name without -00001-of-00003.gguf
  uint64_t i = 0;    // 0-based
  uint64_t n = 0;
};
std::optional<SplitName> parse_split_name(const std::string& file_name);

}  // namespace quern
