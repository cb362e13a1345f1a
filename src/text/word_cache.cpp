#include "text/word_cache.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>

namespace quern {

namespace {
constexpr size_t kMaxEntries = 1U << 15;  // 768 KiB: fits the L2 cache of server cores
constexpr size_t kBytesPerEntry = 16;     // a text has at most about one new word per 16 bytes
constexpr size_t kMaxWordBytes = 64;      // longer words hardly repeat
}  // namespace

WordCache::WordCache(std::string_view text)
    : text_(text),
      entries_(std::clamp<size_t>(std::bit_ceil(text.size() / kBytesPerEntry), 16, kMaxEntries)) {}

bool WordCache::reuse(Word word, std::vector<TokenId>& out) {
  if (word.n_bytes > kMaxWordBytes) {
    return false;
  }
  const std::string_view bytes = text_.substr(word.begin, word.n_bytes);
  slot_ = XXH3_64bits(bytes.data(), bytes.size()) & (entries_.size() - 2);
  for (const size_t slot : {slot_, slot_ + 1}) {
    const Entry& entry = entries_[slot];
    if (entry.n_bytes == word.n_bytes && text_.substr(entry.begin, entry.n_bytes) == bytes) {
      const size_t n_before = out.size();
      out.resize(n_before + entry.n_ids);
      std::copy_n(out.data() + entry.first_id, entry.n_ids, out.data() + n_before);
      return true;
    }
  }
  return false;
}

void WordCache::add(Word word, size_t first_id, size_t n_ids) {
  if (word.n_bytes <= kMaxWordBytes) {
    entries_[slot_ + 1] = entries_[slot_];
    entries_[slot_] = {word.begin, first_id, static_cast<uint32_t>(word.n_bytes),
                       static_cast<uint32_t>(n_ids)};
  }
}

}  // namespace quern
