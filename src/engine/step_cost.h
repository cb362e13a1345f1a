// StepCost: what a step takes, as a fixed part and a part for each row, learnt from the steps that
// were computed. Pure: durations are passed in. Not thread-safe. Owns a few numbers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace quern {

// What a step computed.
struct StepRows {
  uint32_t n_decode = 0;   // one row each of sequences that got a token
  uint32_t n_prefill = 0;  // rows of prompts
};

class StepCost {
 public:
  void observe(const StepRows& rows, int64_t duration_us);

  bool known() const { return n_observed_ > 0; }
  double decode_us(uint32_t n_decode) const { return cost_[kFixed] + cost_[kDecode] * n_decode; }
  double prefill_row_us() const { return cost_[kPrefill]; }

 private:
  enum Part : size_t { kFixed, kDecode, kPrefill, kNParts };
  using Vector = std::array<double, kNParts>;
  using Matrix = std::array<Vector, kNParts>;

  void solve();

  // Least squares over relative errors, older steps counting less and less: moments_ * cost =
  // sums_.
  Matrix moments_{};
  Vector sums_{};
  Vector cost_{};  // none below 0
  uint64_t n_observed_ = 0;
};

}  // namespace quern
