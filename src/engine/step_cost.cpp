#include "engine/step_cost.h"

#include <algorithm>

namespace quern {
namespace {

// A step counts half as much after 34 more: costs change with the length of contexts and with what
// else the machine does.
constexpr double kForget = 0.98;
// What is taken for granted where the steps seen do not tell: a decoding row costs what a prompt's
// row does, and the fixed part is small. Weak against a handful of steps that do tell.
constexpr double kAlikeWeight = 1e-3;
constexpr double kSmallWeight = 1e-6;

using Vector = std::array<double, 3>;
using Matrix = std::array<Vector, 3>;

// The equations without the variables that are not used: these come out as 0.
void leave_out(Matrix& a, Vector& b, const std::array<bool, 3>& used) {
  for (size_t i = 0; i < b.size(); ++i) {
    for (size_t j = 0; j < b.size(); ++j) {
      if (!used[i] || !used[j]) {
        a[i][j] = i == j ? 1.0 : 0.0;
      }
    }
    b[i] = used[i] ? b[i] : 0.0;
  }
}

// Solves a * x = b by elimination; a is positive definite, so no pivoting is needed.
Vector solved(Matrix a, Vector b) {
  const size_t n = b.size();
  for (size_t i = 0; i < n; ++i) {
    for (size_t row = i + 1; row < n; ++row) {
      const double factor = a[row][i] / a[i][i];
      for (size_t j = i; j < n; ++j) {
        a[row][j] -= factor * a[i][j];
      }
      b[row] -= factor * b[i];
    }
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t j = i + 1; j < n; ++j) {
      b[i] -= a[i][j] * b[j];
    }
    b[i] /= a[i][i];
  }
  return b;
}

}  // namespace

void StepCost::observe(const StepRows& rows, int64_t duration_us) {
  const auto us = static_cast<double>(std::max<int64_t>(duration_us, 1));
  // Divided by what the step took, so that a long step tells no more than a short one.
  const Vector x = {1.0 / us, rows.n_decode / us, rows.n_prefill / us};
  for (size_t i = 0; i < kNParts; ++i) {
    for (size_t j = 0; j < kNParts; ++j) {
      moments_[i][j] = kForget * moments_[i][j] + x[i] * x[j];
    }
    sums_[i] = kForget * sums_[i] + x[i];
  }
  ++n_observed_;
  solve();
}

void StepCost::solve() {
  Matrix a = moments_;
  // In the units of the moments, so that the weights need none.
  const double row_scale = std::max(a[kDecode][kDecode], a[kPrefill][kPrefill]);
  const double alike = kAlikeWeight * row_scale;
  a[kDecode][kDecode] += alike;
  a[kPrefill][kPrefill] += alike;
  a[kDecode][kPrefill] -= alike;
  a[kPrefill][kDecode] -= alike;
  a[kFixed][kFixed] += kSmallWeight * a[kFixed][kFixed];
  a[kDecode][kDecode] += kSmallWeight * row_scale;
  a[kPrefill][kPrefill] += kSmallWeight * row_scale;
  // No part takes less than no time: the most negative one is left out until none is.
  std::array<bool, kNParts> used = {true, true, true};
  for (size_t round = 0; round < kNParts; ++round) {
    Matrix equations = a;
    Vector right = sums_;
    leave_out(equations, right, used);
    cost_ = solved(equations, right);
    const auto least = std::ranges::min_element(cost_);
    if (*least >= 0.0) {
      return;
    }
    used[static_cast<size_t>(least - cost_.begin())] = false;
    *least = 0.0;
  }
}

}  // namespace quern
