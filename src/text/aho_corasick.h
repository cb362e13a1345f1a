// AhoCorasick: finds which of many byte strings end at each place of a text, in one pass.
// Immutable once built, so any thread may step through it. Owns its automaton, keeps no pattern.
// Source: Aho and Corasick, "Efficient string matching", CACM 18(6), 1975.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/byte_trie.h"

namespace quern {

class AhoCorasick {
 public:
  using State = uint32_t;
  static constexpr State kStart = ByteTrie::kRoot;
  static constexpr int32_t kNoPattern = -1;

  AhoCorasick() = default;
  // Empty patterns never match. Of equal patterns the last counts. The patterns together must be
  // shorter than ByteTrie::kMaxNodes; those beyond never match.
  explicit AhoCorasick(std::span<const std::string> patterns);

  // The state after reading `byte`. Amortised constant time over a text.
  State step(State state, uint8_t byte) const {
    uint32_t next = trie_.child(state, byte);
    while (next == ByteTrie::kNone && state != kStart) {
      state = nodes_[state].fail;
      next = trie_.child(state, byte);
    }
    return next == ByteTrie::kNone ? kStart : next;
  }
  // The longest pattern that ends here.
  int32_t longest_match(State state) const { return nodes_[state].longest; }
  // Bytes of the longest suffix of the text so far that some pattern starts with.
  uint32_t depth(State state) const { return nodes_[state].depth; }
  bool starts_with(uint8_t byte) const { return trie_.child(kStart, byte) != ByteTrie::kNone; }

 private:
  struct Node {
    State fail = kStart;
    uint32_t depth = 0;
    int32_t longest = kNoPattern;
  };

  // The way into a node, found again from the patterns because the trie keeps no keys.
  struct Link {
    State node;
    State parent;
    uint8_t byte;
  };

  void add_links(std::string_view pattern, std::vector<Link>& links);

  ByteTrie trie_;
  std::vector<Node> nodes_ = std::vector<Node>(1);
};

}  // namespace quern
