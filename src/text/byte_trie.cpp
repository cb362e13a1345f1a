#include "text/byte_trie.h"

namespace quern {

namespace {
constexpr uint32_t kFirstSlotsLog2 = 8;
}

ByteTrie::ByteTrie()
    : edges_(size_t{1} << kFirstSlotsLog2),
      values_(1, kNoValue),
      mask_((1U << kFirstSlotsLog2) - 1),
      shift_(32 - kFirstSlotsLog2) {
  root_.fill(kNone);
}

bool ByteTrie::insert(std::string_view key, int32_t value) {
  uint32_t node = kRoot;
  for (const char c : key) {
    const auto byte = static_cast<uint8_t>(c);
    const uint32_t next = child(node, byte);
    if (next != kNone) {
      node = next;
      continue;
    }
    if (values_.size() == kMaxNodes) {
      return false;
    }
    const auto added = static_cast<uint32_t>(values_.size());
    values_.push_back(kNoValue);
    if (node == kRoot) {
      root_[byte] = added;
    } else {
      // At most half full, so that probes stay short.
      if (n_edges_ + size_t{1} > edges_.size() / 2) {
        grow();
      }
      place({(node << 8) | byte, added});
      ++n_edges_;
    }
    node = added;
  }
  if (node != kRoot) {
    values_[node] = value;
  }
  return true;
}

ByteTrie::Match ByteTrie::longest_prefix(std::string_view text) const {
  Match best;
  uint32_t node = kRoot;
  for (uint32_t i = 0; i < text.size(); ++i) {
    node = child(node, static_cast<uint8_t>(text[i]));
    if (node == kNone) {
      break;
    }
    if (values_[node] != kNoValue) {
      best = {values_[node], i + 1};
    }
  }
  return best;
}

void ByteTrie::place(Edge edge) {
  uint32_t i = slot_of(edge.key);
  while (edges_[i].child != 0) {
    i = (i + 1) & mask_;
  }
  edges_[i] = edge;
}

void ByteTrie::grow() {
  std::vector<Edge> old(edges_.size() * 2);
  old.swap(edges_);
  mask_ = static_cast<uint32_t>(edges_.size() - 1);
  --shift_;
  for (const Edge& edge : old) {
    if (edge.child != 0) {
      place(edge);
    }
  }
}

}  // namespace quern
