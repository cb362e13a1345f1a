// Elementary functions on Vec. Included after a vec_*.h; internal linkage.
#pragma once

namespace quern {
namespace {

// exp(x) = fraction * 2^power for x in [-87.3, 88.7]: Cody-Waite reduction to |r| <= ln 2 / 2, then
// the Taylor polynomial of degree 7 in Horner form.
struct ExpParts {
  Vec fraction;
  Vec power;  // whole
};
QUERN_INLINE ExpParts exp_parts(Vec x) {
  const Vec n = Vec::round(x * Vec::set1(1.44269504F));
  Vec r = Vec::fma(n, Vec::set1(-0.693145752F), x);
  r = Vec::fma(n, Vec::set1(-1.42860677e-6F), r);
  Vec p = Vec::set1(1.0F / 5040.0F);
  p = Vec::fma(p, r, Vec::set1(1.0F / 720.0F));
  p = Vec::fma(p, r, Vec::set1(1.0F / 120.0F));
  p = Vec::fma(p, r, Vec::set1(1.0F / 24.0F));
  p = Vec::fma(p, r, Vec::set1(1.0F / 6.0F));
  p = Vec::fma(p, r, Vec::set1(0.5F));
  p = Vec::fma(p, r, Vec::set1(1.0F));
  p = Vec::fma(p, r, Vec::set1(1.0F));
  return {p, n};
}

constexpr float kExpLow = -87.3F;  // below it the result would be subnormal

// exp(x), relative error below 2e-7; 0 below kExpLow; NaN stays NaN.
QUERN_INLINE Vec vec_exp(Vec x) {
  const Vec low = Vec::set1(kExpLow);
  // min and max return their second operand for NaN, so x comes second.
  const auto [p, n] = exp_parts(Vec::max(low, Vec::min(Vec::set1(88.7F), x)));
  // 2^128 is out of range for n = 128, hence two factors.
  const Vec half = Vec::round(n * Vec::set1(0.5F));
  const Vec scaled = p * Vec::power_of_two(half) * Vec::power_of_two(n - half);
  return Vec::if_less(x, low, Vec::zero(), scaled);
}

// The same for x <= 0, where one factor will do: equal bits, fewer instructions.
QUERN_INLINE Vec vec_exp_of_negative(Vec x) {
  const Vec low = Vec::set1(kExpLow);
  const auto [p, n] = exp_parts(Vec::max(low, x));
  return Vec::if_less(x, low, Vec::zero(), p * Vec::power_of_two(n));
}

// tanh(x) = 1 - 2 / (exp(2x) + 1)
QUERN_INLINE Vec vec_tanh(Vec x) {
  const Vec one = Vec::set1(1.0F);
  return one - Vec::set1(2.0F) / (vec_exp(x + x) + one);
}

}  // namespace
}  // namespace quern
