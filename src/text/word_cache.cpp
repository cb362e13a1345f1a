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

WordCache::WordCache(size_t n_text_bytes)
    : entries_(std::clamp<size_t>(std::bit_ceil(n_text_bytes / kBytesPerEntry), 16, kMaxEntries)) {}

bool WordCache::reuse(std::string_view word, std::vector<TokenId>& out) {
  if (word.size() > kMaxWordBytes) {
    return false;
  }
  slot_ = XXH3_64bits(word.data(), word.size()) & (entries_.size() - 2);
  for (const size_t slot : {slot_, slot_ + 1}) {
    const Entry& entry = entries_[slot];
    if (entry.n_bytes == word.size() && std::string_view(entry.text, entry.n_bytes) == word) {
      const size_t n_before = out.size();
      out.resize(n_before + entry.n_ids);
      std::copy_n(out.data() + entry.first_id, entry.n_ids, out.data() + n_before);
      return true;
    }
  }
  return false;
}

void WordCache::add(std::string_view word, size_t first_id, size_t n_ids) {
  if (word.size() <= kMaxWordBytes) {
    entries_[slot_ + 1] = entries_[slot_];
    entries_[slot_] = {word.data(), static_cast<uint32_t>(word.size()),
                       static_cast<uint32_t>(n_ids), first_id};
  }
}

}  // namespace quern
