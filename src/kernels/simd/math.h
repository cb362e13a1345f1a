// Elementary functions on Vec. Included after a vec_*.h; internal linkage.
#pragma once

namespace quern {
namespace {

// exp(x), relative error below 2e-7; 0 below -87.3, where the result would be subnormal; NaN stays
// NaN. Cody-Waite reduction to |r| <= ln 2 / 2, then the Taylor polynomial of degree 7 in Horner
// form.
QUERN_INLINE Vec vec_exp(Vec x) {
  const Vec low = Vec::set1(-87.3F);
  // min and max return their second operand for NaN, so x comes second.
  const Vec clamped = Vec::max(low, Vec::min(Vec::set1(88.7F), x));
  const Vec n = Vec::round(clamped * Vec::set1(1.44269504F));
  Vec r = Vec::fma(n, Vec::set1(-0.693145752F), clamped);
  r = Vec::fma(n, Vec::set1(-1.42860677e-6F), r);
  Vec p = Vec::set1(1.0F / 5040.0F);
  p = Vec::fma(p, r, Vec::set1(1.0F / 720.0F));
  p = Vec::fma(p, r, Vec::set1(1.0F / 120.0F));
  p = Vec::fma(p, r, Vec::set1(1.0F / 24.0F));
  p = Vec::fma(p, r, Vec::set1(1.0F / 6.0F));
  p = Vec::fma(p, r, Vec::set1(0.5F));
  p = Vec::fma(p, r, Vec::set1(1.0F));
  p = Vec::fma(p, r, Vec::set1(1.0F));
  // 2^128 is out of range for n = 128, hence two factors.
  const Vec half = Vec::round(n * Vec::set1(0.5F));
  const Vec scaled = p * Vec::power_of_two(half) * Vec::power_of_two(n - half);
  return Vec::if_less(x, low, Vec::zero(), scaled);
}

// tanh(x) = 1 - 2 / (exp(2x) + 1)
QUERN_INLINE Vec vec_tanh(Vec x) {
  const Vec one = Vec::set1(1.0F);
  return one - Vec::set1(2.0F) / (vec_exp(x + x) + one);
}

}  // namespace
}  // namespace quern
