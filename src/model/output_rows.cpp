#include "model/output_rows.h"

#include <algorithm>
#include <functional>

#include "base/check.h"

namespace quern {

void OutputRows::reserve(uint32_t max_rows) {
  rows_.reserve(max_rows);
  tokens_.reserve(max_rows);
  positions_.reserve(max_rows);
  sequences_.reserve(max_rows);
}

void OutputRows::select(const StepInput& step, std::span<const uint32_t> rows) {
  QUERN_CHECK(std::ranges::adjacent_find(rows, std::greater_equal<>()) == rows.end());
  QUERN_CHECK(rows.empty() || rows.back() < step.tokens.size());
  rows_.assign(rows.begin(), rows.end());
  tokens_.clear();
  positions_.clear();
  sequences_.clear();
  auto sequence = step.sequences.begin();
  for (const uint32_t row : rows) {
    const bool was_in = !sequences_.empty() && row < sequence->first_row + sequence->n_rows;
    while (row >= sequence->first_row + sequence->n_rows) {
      ++sequence;
    }
    const uint32_t position = sequence->position + row - sequence->first_row;
    if (was_in && sequences_.back().position + sequences_.back().n_rows == position) {
      ++sequences_.back().n_rows;
    } else {
      sequences_.push_back({.first_row = static_cast<uint32_t>(tokens_.size()),
                            .n_rows = 1,
                            .position = position,
                            .blocks = sequence->blocks});
    }
    tokens_.push_back(step.tokens[row]);
    positions_.push_back(step.positions[row]);
  }
}

}  // namespace quern
