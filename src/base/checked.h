// Arithmetic on sizes that come from outside: an overflow is a value, not a wrap.
#pragma once

#include <cstdint>
#include <optional>

namespace quern {

constexpr std::optional<uint64_t> checked_add(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    return std::nullopt;
  }
  return sum;
}

constexpr std::optional<uint64_t> checked_mul(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) {
    return std::nullopt;
  }
  return product;
}

// Rounds up to a multiple of `alignment` (a power of two).
constexpr std::optional<uint64_t> checked_align(uint64_t n, uint64_t alignment) {
  const auto sum = checked_add(n, alignment - 1);
  if (!sum) {
    return std::nullopt;
  }
  return *sum & ~(alignment - 1);
}

}  // namespace quern
