// The pacer against machines whose costs are known: what a step takes is a formula here, so that
// the bounds can be checked without a clock.
#include "engine/step_pacer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace quern {
namespace {

struct Machine {
  double base_us = 0;
  double decode_row_us = 0;
  double prompt_row_us = 0;
  int64_t step_us(const StepRows& rows) const {
    return static_cast<int64_t>(base_us + decode_row_us * rows.n_decode +
                                prompt_row_us * rows.n_prefill);
  }
};

constexpr Machine kLaptop{.base_us = 8'000, .decode_row_us = 1'500, .prompt_row_us = 1'000};
constexpr Machine kLargeModel{.base_us = 150'000, .decode_row_us = 10'000, .prompt_row_us = 6'000};
constexpr Machine kDevice{.base_us = 900, .decode_row_us = 20, .prompt_row_us = 10};

// Prefills n_prompt tokens while n_decoding streams go on; the longest step and how many it took.
struct Prefill {
  int64_t longest_us = 0;
  uint32_t n_steps = 0;
};
Prefill prefill(StepPacer& pacer, const Machine& machine, uint32_t n_decoding) {
  Prefill result;
  for (uint32_t n_left = 4000; n_left > 0; ++result.n_steps) {
    const uint32_t chunk = std::min(n_left, pacer.chunk({.n_decoding = n_decoding}));
    const StepRows rows{.n_decode = n_decoding, .n_prefill = chunk};
    const int64_t us = machine.step_us(rows);
    pacer.observe(rows, us);
    result.longest_us = std::max(result.longest_us, us);
    n_left -= chunk;
  }
  return result;
}

// As an engine comes to know its machine: a prompt alone, then a decode, then both.
StepPacer experienced(const Machine& machine, uint32_t n_decoding) {
  StepPacer pacer({});
  for (const StepRows& rows : {StepRows{.n_prefill = 512}, StepRows{.n_decode = n_decoding}}) {
    for (int i = 0; i < 5; ++i) {
      pacer.observe(rows, machine.step_us(rows));
    }
  }
  return pacer;
}

TEST(StepPacer, ALongPromptAtMostTriplesTheTimeBetweenTokens) {
  for (const Machine& machine : {kLaptop, kLargeModel, kDevice}) {
    StepPacer pacer = experienced(machine, 8);
    const int64_t alone_us = machine.step_us({.n_decode = 8});
    const Prefill result = prefill(pacer, machine, 8);
    EXPECT_LE(result.longest_us, 3 * alone_us) << "base " << machine.base_us;
    // Nor is the prompt starved: it gets half of the time at least.
    const double alone_prompt_us = machine.prompt_row_us * 4000;
    EXPECT_LE(result.n_steps * double(alone_us), 1.3 * alone_prompt_us);
  }
}

TEST(StepPacer, LearnsFromMixedStepsAlone) {
  StepPacer pacer({});
  prefill(pacer, kLaptop, 8);
  prefill(pacer, kLaptop, 4);
  EXPECT_LE(prefill(pacer, kLaptop, 8).longest_us, 3 * kLaptop.step_us({.n_decode = 8}));
}

TEST(StepPacer, FollowsAMachineThatSlowsDown) {
  StepPacer pacer = experienced(kLaptop, 8);
  const Machine busy{.base_us = 8'000, .decode_row_us = 1'500, .prompt_row_us = 2'000};
  prefill(pacer, busy, 8);
  EXPECT_LE(prefill(pacer, busy, 8).longest_us, 3 * busy.step_us({.n_decode = 8}));
}

TEST(StepPacer, OneStepThatWasHeldUpChangesLittle) {
  StepPacer pacer = experienced(kLaptop, 8);
  const uint32_t before = pacer.chunk({.n_decoding = 8});
  pacer.observe({.n_decode = 8, .n_prefill = before}, 10'000'000);
  EXPECT_GE(pacer.chunk({.n_decoding = 8}), before / 2);
}

// Under a constant crowd every step is mixed, and no step shows what decoding alone takes. The
// pacer must not starve the prompts then: with 64 tokens of prompt and 64 of answer, places that
// wait for their prompt are lost throughput.
TEST(StepPacer, ACrowdOfShortRequestsKeepsItsPlacesBusy) {
  for (const Machine& machine : {kLaptop, kLargeModel, kDevice}) {
    StepPacer pacer({});
    constexpr uint32_t kPlaces = 32;
    std::vector<uint32_t> n_prompt_left(kPlaces, 64);
    std::vector<uint32_t> n_answer_left(kPlaces, 64);
    uint64_t n_decoded = 0;
    constexpr int kSteps = 1000;
    for (int step = 0; step < kSteps; ++step) {
      StepRows rows;
      rows.n_decode = static_cast<uint32_t>(std::ranges::count(n_prompt_left, 0U));
      uint32_t budget = pacer.chunk({.n_decoding = rows.n_decode});
      for (uint32_t i = 0; i < kPlaces; ++i) {
        if (n_prompt_left[i] == 0) {
          if (--n_answer_left[i] == 0) {
            n_prompt_left[i] = 64;
            n_answer_left[i] = 64;
          }
        } else {
          const uint32_t n = std::min(budget, n_prompt_left[i]);
          budget -= n;
          rows.n_prefill += n;
          n_prompt_left[i] -= n;
        }
      }
      n_decoded += step >= kSteps / 2 ? rows.n_decode : 0;
      pacer.observe(rows, machine.step_us(rows));
    }
    EXPECT_GE(n_decoded, uint64_t{24} * kSteps / 2) << "base " << machine.base_us;
  }
}

TEST(StepPacer, FillsTheBatchWhenNobodyDecodes) {
  const StepPacer pacer = experienced(kLaptop, 8);
  EXPECT_EQ(pacer.chunk({.n_decoding = 0}), 512U);
  EXPECT_EQ(StepPacer({.max_chunk = 48}).chunk({.n_decoding = 0}), 48U);
}

TEST(StepPacer, APromptAlwaysAdvancesByABlock) {
  const Machine slow{.base_us = 1'000, .decode_row_us = 10, .prompt_row_us = 1'000'000};
  const StepPacer pacer = experienced(slow, 2);
  EXPECT_EQ(pacer.chunk({.n_decoding = 2}), 16U);
  EXPECT_EQ(StepPacer({.max_chunk = 8}).chunk({.n_decoding = 2}), 8U);
}

TEST(StepPacer, AnUrgentPromptIsNotSlowedByOthersInItsStep) {
  const StepPacer pacer = experienced(kLaptop, 32);
  // 32 streams take 56 ms; three times that is room for 168 prompt tokens.
  EXPECT_EQ(pacer.chunk({.n_decoding = 32, .n_urgent_tokens = 60}), 60U);
  EXPECT_NEAR(pacer.chunk({.n_decoding = 32, .n_urgent_tokens = 4000}), 168, 20);
  EXPECT_EQ(pacer.chunk({.n_decoding = 0, .n_urgent_tokens = 60}), 60U);
}

}  // namespace
}  // namespace quern
