// WordCache: remembers, within one encode call, the ids of words that came before, because most
// words of a text repeat. It points back into the text and into the ids already written, so an
// entry costs 24 bytes and the whole is bounded. Not thread-safe; borrows the text.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace quern {

class WordCache {
 public:
  struct Word {
    size_t begin = 0;
    size_t n_bytes = 0;
  };

  explicit WordCache(std::string_view text);

  // If `word` came before, appends its ids to `out` again. Must be followed by add() with the same
  // word otherwise.
  bool reuse(Word word, std::vector<TokenId>& out);
  // Says which of the ids written to `out` the word just looked for became.
  void add(Word word, size_t first_id, size_t n_ids);

 private:
  struct Entry {
    uint64_t begin = 0;
    uint64_t first_id = 0;
    uint32_t n_bytes = 0;  // 0: empty
    uint32_t n_ids = 0;
  };

  std::string_view text_;
  std::vector<Entry> entries_;  // sets of two; a new word displaces the older of its set
  size_t slot_ = 0;
};

}  // namespace quern
