#include "text/word_model.h"

namespace quern {

void WordModel::encode_stretches(std::string_view /*whole*/, std::span<const Stretch> stretches,
                                 std::vector<TokenId>& out) const {
  for (const Stretch& stretch : stretches) {
    encode(stretch.text, stretch.context, out);
    if (stretch.next != kNoToken) {
      out.push_back(stretch.next);
    }
  }
}

}  // namespace quern
