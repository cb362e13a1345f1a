// SpaceJoiners: where words may be tokenized one by one. Tokens that hold a space after another
// character ("a▁b") forbid a cut between the two; all other word starts are safe.
// Immutable, thread-safe. Owns its few numbers.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace quern {

class SpaceJoiners {
 public:
  // Takes note of one token that text may become. Call done() after the last.
  void add(std::string_view token);
  void done();

  // True when some token holds this character right before a space mark. `character`: its bytes as
  // one big-endian number.
  bool joins(uint32_t character) const;

  // Feeds the next byte of a text to the number that joins() takes.
  static uint32_t next(uint32_t character, uint8_t byte) {
    return (byte & 0xC0) == 0x80 ? (character << 8) | byte : byte;
  }

 private:
  std::vector<uint32_t> characters_;  // sorted
};

}  // namespace quern
