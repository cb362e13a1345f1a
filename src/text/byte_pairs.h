// BytePairs: where a long piece of text may be tokenized part by part. Merging never joins two
// symbols unless some token or merge holds the last byte of the left one right before the first
// byte of the right one; anywhere else the parts cannot see each other. Immutable once built,
// thread-safe.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace quern {

class BytePairs {
 public:
  // Takes note that symbols are joined between these two bytes somewhere.
  void add(char left, char right) { rights_[static_cast<uint8_t>(left)].set(index(right)); }
  bool joins(char left, char right) const {
    return rights_[static_cast<uint8_t>(left)].test(index(right));
  }
  // Where the part of `text` that starts at `begin` ends.
  size_t part_end(std::string_view text, size_t begin) const {
    size_t end = begin + 1;
    while (end < text.size() && joins(text[end - 1], text[end])) {
      ++end;
    }
    return end;
  }

 private:
  static size_t index(char c) { return static_cast<uint8_t>(c); }

  std::array<std::bitset<256>, 256> rights_;
};

}  // namespace quern
