#include "base/rng.h"

namespace quern {
namespace {

// Multipliers and Weyl key increments of Philox4x32 (Salmon et al., table 2 and section 3.3).
constexpr uint32_t kMultiplier0 = 0xD2511F53U;
constexpr uint32_t kMultiplier1 = 0xCD9E8D57U;
constexpr uint32_t kWeyl0 = 0x9E3779B9U;
constexpr uint32_t kWeyl1 = 0xBB67AE85U;
constexpr int kRounds = 10;

constexpr uint32_t low_word(uint64_t x) {
  return static_cast<uint32_t>(x & 0xFFFFFFFFU);
}
constexpr uint32_t high_word(uint64_t x) {
  return static_cast<uint32_t>(x >> 32U);
}

}  // namespace

PhiloxBlock philox4x32_10(PhiloxBlock counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * counter[0];
    const uint64_t product1 = uint64_t{kMultiplier1} * counter[2];
    counter = {high_word(product1) ^ counter[1] ^ key[0], low_word(product1),
               high_word(product0) ^ counter[3] ^ key[1], low_word(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

PhiloxBlock draw_words(const DrawKey& draw) {
  return philox4x32_10(
      {low_word(draw.token_index), high_word(draw.token_index), draw.choice, draw.lane},
      {low_word(draw.seed), high_word(draw.seed)});
}

double draw_uniform(const DrawKey& draw) {
  const PhiloxBlock words = draw_words(draw);
  const uint64_t bits = (uint64_t{words[1]} << 32U | words[0]) >> 11U;
  return static_cast<double>(bits) * 0x1p-53;
}

}  // namespace quern
