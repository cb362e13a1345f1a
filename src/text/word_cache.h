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
  // `n_text_bytes`: of the whole text, which sizes the memory.
  explicit WordCache(size_t n_text_bytes);

  // If `word`, which lies in the text, came before, appends its ids to `out` again. Otherwise add()
  // must follow with the same word.
  bool reuse(std::string_view word, std::vector<TokenId>& out);
  // Says which of the ids written to `out` the word just looked for became.
  void add(std::string_view word, size_t first_id, size_t n_ids);

 private:
  struct Entry {
    const char* text = nullptr;
    uint32_t n_bytes = 0;  // 0: empty
    uint32_t n_ids = 0;
    uint64_t first_id = 0;
  };

  std::vector<Entry> entries_;  // sets of two; a new word displaces the older of its set
  size_t slot_ = 0;
};

}  // namespace quern
