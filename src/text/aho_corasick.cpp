#include "text/aho_corasick.h"

#include <algorithm>

namespace quern {

// Sets the depths of a pattern's nodes and notes those that were not known yet.
void AhoCorasick::add_links(std::string_view pattern, std::vector<Link>& links) {
  State node = kStart;
  for (const char c : pattern) {
    const auto byte = static_cast<uint8_t>(c);
    const State next = trie_.child(node, byte);
    if (next == ByteTrie::kNone) {
      return;  // a pattern beyond the limit
    }
    if (nodes_[next].depth == 0) {
      nodes_[next].depth = nodes_[node].depth + 1;
      links.push_back({next, node, byte});
    }
    node = next;
  }
}

AhoCorasick::AhoCorasick(std::span<const std::string> patterns) {
  for (size_t i = 0; i < patterns.size(); ++i) {
    if (!trie_.insert(patterns[i], static_cast<int32_t>(i))) {
      break;
    }
  }
  nodes_.assign(trie_.n_nodes(), {});
  std::vector<Link> links;
  for (const std::string& pattern : patterns) {
    add_links(pattern, links);
  }
  // A node's failure link leads to a shorter one, so shorter ones come first.
  std::ranges::stable_sort(links, {}, [&](const Link& link) { return nodes_[link.node].depth; });
  for (const auto& [node, parent, byte] : links) {
    if (parent != kStart) {
      nodes_[node].fail = step(nodes_[parent].fail, byte);
    }
    const int32_t own = trie_.value(node);
    nodes_[node].longest = own != ByteTrie::kNoValue ? own : nodes_[nodes_[node].fail].longest;
  }
}

}  // namespace quern
