// Batch: what one forward pass runs, tokens of many sequences together. A lone prompt is a batch of
// one. Plain data, rebuilt in place each step so that its vectors keep their capacity. Owned by the
// engine thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"

namespace quern {

// One sequence's share of a batch: rows [first_row, first_row + n_rows).
struct BatchSequence {
  SeqId seq{};
  uint32_t first_row = 0;
  uint32_t n_rows = 0;
  uint32_t position =
      0;  // of its first row in the sequence; KV of all earlier positions is present
  uint32_t first_block = 0;  // its block table starts here in Batch::blocks
  uint32_t n_blocks = 0;     // covers at least position + n_rows tokens
};

struct Batch {
  std::vector<TokenId> tokens;           // [n_rows]
  std::vector<int32_t> positions;        // [n_rows], the position of each row in its sequence
  std::vector<BatchSequence> sequences;  // in row order, without gaps
  std::vector<BlockId> blocks;           // the block tables, one after another
  std::vector<uint32_t> logit_rows;      // rows whose logits are wanted, ascending

  uint32_t n_rows() const { return static_cast<uint32_t>(tokens.size()); }
  void clear() {
    tokens.clear();
    positions.clear();
    sequences.clear();
    blocks.clear();
    logit_rows.clear();
  }
};

}  // namespace quern
