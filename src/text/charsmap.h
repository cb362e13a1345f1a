// Charsmap: SentencePiece's precompiled normaliser, a map from byte strings to replacements stored
// as a double array. The bytes come from a file: every index is checked, and a walk that leaves the
// array simply finds nothing. Immutable, thread-safe. Owns a copy.
// Source: SentencePiece's normalizer.cc for the layout; Yata et al.'s darts-clone for the units.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace quern {

class Charsmap {
 public:
  // The longest replacement of Unicode's compatibility forms has 33 bytes (U+FDFA).
  static constexpr size_t kMaxReplacementBytes = 256;

  Charsmap() = default;
  // Empty bytes give an empty map.
  static Result<Charsmap> parse(std::span<const std::byte> bytes);

  struct Match {
    size_t n_bytes = 0;  // of the text; 0: nothing matches
    std::string_view replacement;
  };
  // The longest key that `text` starts with.
  Match longest_prefix(std::string_view text) const;

 private:
  std::string_view replacement_at(uint32_t offset) const;

  std::vector<uint32_t> units_;
  std::string replacements_;  // each ends with a zero byte
};

}  // namespace quern
