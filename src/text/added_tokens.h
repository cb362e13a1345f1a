// AddedTokens: cuts a text at the tokens that are matched as text before any other rule: control
// tokens such as "<|im_end|>" and tokens that the model's makers added.
// Immutable, safe to use from many threads. Owns copies of the token texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "text/aho_corasick.h"

namespace quern {

struct AddedToken {
  TokenId id = kNoToken;
  bool always = false;  // matched even when special text is not parsed (user-defined tokens)
  bool lstrip = false;  // swallows the white space before it
  bool rstrip = false;  // swallows the white space after it
};

class AddedTokens {
 public:
  struct Match {
    size_t begin = 0;  // of the token with the white space that it swallows
    size_t end = 0;
    TokenId id = kNoToken;
  };

  AddedTokens() = default;
  // texts[i] belongs to tokens[i].
  AddedTokens(std::vector<AddedToken> tokens, std::vector<std::string> texts);

  // The matches in order, without overlap: leftmost first, of those the longest. Linear in the
  // text, whatever the number and length of the tokens.
  std::vector<Match> find(std::string_view text, bool parse_special) const;

 private:
  struct Finder {
    AhoCorasick reversed;  // over reversed texts, see find_starts
    std::vector<uint32_t> tokens;
    std::vector<uint32_t> n_bytes;
  };
  struct Start {
    size_t at = 0;
    uint32_t pattern = 0;
  };

  static std::vector<Start> find_starts(const Finder& finder, std::string_view text);
  static Finder make_finder(const std::vector<uint32_t>& chosen,
                            const std::vector<std::string>& texts);

  std::vector<AddedToken> tokens_;
  Finder all_;
  Finder always_;
};

}  // namespace quern
