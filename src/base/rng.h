// Counter-based random numbers: a draw is a pure function of its key, so no generator state is
// shared, stored or ordered. Thread safety: pure functions. Source: Salmon et al., "Parallel random
// numbers: as easy as 1, 2, 3", SC'11 (Philox4x32 with 10 rounds).
#pragma once

#include <array>
#include <cstdint>

namespace quern {

using PhiloxBlock = std::array<uint32_t, 4>;

// The keyed bijection itself: 128 bits of counter to 128 random bits.
PhiloxBlock philox4x32_10(PhiloxBlock counter, std::array<uint32_t, 2> key);

// Names one draw. Two draws share bits only when all four fields are equal.
struct DrawKey {
  uint64_t seed = 0;         // of the request
  uint32_t choice = 0;       // which of the request's n answers
  uint64_t token_index = 0;  // which generated token, counted from 0
  uint32_t lane = 0;         // which decision about that token
};

// Four independent uniform words: Philox with the seed as key and the rest as counter.
PhiloxBlock draw_words(const DrawKey& draw);

// Uniform in [0, 1) with 53 random bits (the first two words of draw_words).
double draw_uniform(const DrawKey& draw);

}  // namespace quern
