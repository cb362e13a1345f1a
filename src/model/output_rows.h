// The rows of a step whose output is wanted. What the last layer does after it has written keys and
// values is for them alone: most rows of a prompt need no more than that.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"

namespace quern {

class OutputRows {
 public:
  // No select() of at most so many rows allocates.
  void reserve(uint32_t max_rows);

  // Rows of `step`, ascending. The block tables of `step` must outlive the use of input().
  void select(const StepInput& step, std::span<const uint32_t> rows);

  std::span<const uint32_t> rows() const { return rows_; }
  uint32_t n() const { return static_cast<uint32_t>(rows_.size()); }
  // A step of these rows alone. Each run of neighbours in a sequence is a sequence of its own.
  StepInput input() const {
    return {.tokens = tokens_, .positions = positions_, .sequences = sequences_};
  }

 private:
  std::vector<uint32_t> rows_;
  std::vector<TokenId> tokens_;
  std::vector<int32_t> positions_;
  std::vector<StepSequence> sequences_;
};

}  // namespace quern
