// WordModel: encodes a stretch of plain text (no special tokens in it) to ids.
// Immutable and safe to use from many threads. Owns copies of everything it needs from the spec.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace quern {

class WordModel {
 public:
  // Where the stretch stands, for kinds whose space-prefix rules depend on it.
  struct Context {
    bool at_text_start = true;   // nothing precedes the stretch in this text
    bool after_special = false;  // the piece before the stretch was a special token
  };

  // A stretch of plain text and the special token that follows it (kNoToken at the end).
  struct Stretch {
    std::string_view text;
    Context context;
    TokenId next = kNoToken;
  };

  virtual ~WordModel() = default;

  // Appends the ids of `text` to `out`. O(n log n) in text bytes.
  virtual void encode(std::string_view text, Context context, std::vector<TokenId>& out) const = 0;

  // Appends the ids of all stretches of `whole`, which lie in it in order, each followed by its
  // `next`. A model that remembers words within a text does so across its stretches.
  virtual void encode_stretches(std::string_view whole, std::span<const Stretch> stretches,
                                std::vector<TokenId>& out) const;

  // Whether every byte of any text is part of a token whose own text has it: nothing is normalised,
  // shortened or left out.
  virtual bool keeps_every_byte() const { return false; }
};

}  // namespace quern
