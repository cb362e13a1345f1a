#include "text/aho_corasick.h"

#include <algorithm>

namespace quern {

namespace {

// One node's way in, found again from the patterns because the trie keeps no keys.
struct Link {
  uint32_t parent = 0;
  uint8_t byte = 0;
};

}  // namespace

AhoCorasick::AhoCorasick(std::span<const std::string> patterns) {
  for (size_t i = 0; i < patterns.size(); ++i) {
    if (!trie_.insert(patterns[i], static_cast<int32_t>(i))) {
      break;
    }
  }
  nodes_.assign(trie_.n_nodes(), {});
  std::vector<Link> links(trie_.n_nodes());
  std::vector<uint32_t> by_depth;
  by_depth.reserve(trie_.n_nodes());
  for (const std::string& pattern : patterns) {
    uint32_t node = ByteTrie::kRoot;
    for (uint32_t i = 0; i < pattern.size(); ++i) {
      const auto byte = static_cast<uint8_t>(pattern[i]);
      const uint32_t next = trie_.child(node, byte);
      if (next == ByteTrie::kNone) {
        break;
      }
      if (nodes_[next].depth == 0) {
        nodes_[next].depth = i + 1;
        links[next] = {node, byte};
        by_depth.push_back(next);
      }
      node = next;
    }
  }
  // A node's failure link is shorter than the node, so shorter ones come first.
  std::ranges::stable_sort(by_depth, {}, [&](uint32_t node) { return nodes_[node].depth; });
  for (const uint32_t node : by_depth) {
    const auto [parent, byte] = links[node];
    if (parent != kStart) {
      nodes_[node].fail = step(nodes_[parent].fail, byte);
    }
    const int32_t own = trie_.value(node);
    nodes_[node].longest = own != ByteTrie::kNoValue ? own : nodes_[nodes_[node].fail].longest;
  }
}

}  // namespace quern
