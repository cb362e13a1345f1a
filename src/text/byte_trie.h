// ByteTrie: a map from byte strings to numbers that is walked byte by byte.
// Immutable once built, so any thread may walk it. Owns its nodes, keeps no key.
// Edges live in one open-addressing table, so a step costs one probe whatever the fan-out.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace quern {

class ByteTrie {
 public:
  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr int32_t kNoValue = -1;
  // A node and a byte share a 32-bit key.
  static constexpr uint32_t kMaxNodes = 1U << 24;

  ByteTrie();

  // False, and the trie is useless, when the keys together need more than kMaxNodes. The last
  // value of a key wins; an empty key is ignored. `value` must not be negative.
  bool insert(std::string_view key, int32_t value);

  uint32_t child(uint32_t node, uint8_t byte) const {
    if (node == kRoot) {
      return root_[byte];
    }
    const uint32_t key = (node << 8) | byte;
    for (uint32_t i = slot_of(key);; i = (i + 1) & mask_) {
      const Edge& edge = edges_[i];
      if (edge.child == 0) {
        return kNone;
      }
      if (edge.key == key) {
        return edge.child;
      }
    }
  }
  int32_t value(uint32_t node) const { return values_[node]; }
  uint32_t n_nodes() const { return static_cast<uint32_t>(values_.size()); }

  struct Match {
    int32_t value = kNoValue;
    uint32_t n_bytes = 0;
  };
  // The longest key that `text` starts with.
  Match longest_prefix(std::string_view text) const;

 private:
  struct Edge {
    uint32_t key = 0;
    uint32_t child = 0;  // the root is no one's child, so 0 marks an empty slot
  };

  // Fibonacci hashing: the high bits of the product are well mixed.
  uint32_t slot_of(uint32_t key) const { return (key * 0x9E3779B1U) >> shift_; }
  void grow();
  void place(Edge edge);

  std::array<uint32_t, 256> root_;
  std::vector<Edge> edges_;
  std::vector<int32_t> values_;
  uint32_t mask_;
  uint32_t shift_;
  uint32_t n_edges_ = 0;
};

}  // namespace quern
