#include "text/space_joiners.h"

#include <algorithm>

#include "text/utf8.h"
#include "text/vocab_table.h"

namespace quern {

void SpaceJoiners::add(std::string_view token) {
  if (token.find(kSpaceMark, 1) == std::string_view::npos) {
    return;
  }
  uint32_t packed = 0;
  for (size_t i = 0; i < token.size(); ++i) {
    const std::string_view rest = token.substr(i);
    if (i > 0 && rest.starts_with(kSpaceMark) && !token.substr(0, i).ends_with(kSpaceMark)) {
      characters_.push_back(packed);
    }
    packed = next(packed, static_cast<uint8_t>(token[i]));
  }
}

void SpaceJoiners::done() {
  std::ranges::sort(characters_);
  characters_.erase(std::unique(characters_.begin(), characters_.end()), characters_.end());
}

bool SpaceJoiners::joins(uint32_t character) const {
  return !characters_.empty() && std::ranges::binary_search(characters_, character);
}

}  // namespace quern
