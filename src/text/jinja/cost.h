// What work costs, in fuel: one unit is about a nanosecond of an ordinary machine, rounded up so
// that Limits::fuel ends every template within about a second. Whoever touches n bytes or items
// pays for them before.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace quern::jinja::cost {

inline constexpr uint64_t kNode = 80;    // an expression, a statement, a call of a builtin
inline constexpr uint64_t kItem = 20;    // a value copied, made or looked at
inline constexpr uint64_t kChar = 15;    // a character mapped through Unicode's tables or escaped
inline constexpr uint64_t kLook = 2;     // a name compared
inline constexpr uint64_t kScope = 150;  // a scope opened and closed

// A real number written with so many digits after the point, exactly.
constexpr uint64_t digits(uint64_t n_digits) {
  constexpr uint64_t kMostBefore = 330;  // a double may have as many before the point, or zeros
  return 30 * (std::min<uint64_t>(n_digits, 1000) + kMostBefore);
}

// Bytes moved as a block.
constexpr uint64_t copy(uint64_t n_bytes) {
  return n_bytes / 4;
}

// Bytes walked character by character.
constexpr uint64_t walk(uint64_t n_bytes) {
  return 2 * n_bytes;
}

// Bytes whose characters are mapped, classified or escaped one by one.
constexpr uint64_t convert(uint64_t n_bytes) {
  return kChar * n_bytes;
}

// Value::weight() nodes compared or hashed.
constexpr uint64_t weigh(uint64_t weight) {
  return weight > UINT64_MAX / kItem ? UINT64_MAX : weight * kItem;
}

}  // namespace quern::jinja::cost
