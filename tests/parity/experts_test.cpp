// Experts: who is chosen, with what weight, and what comes of it on every instruction set.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/expert_routing.h"
#include "support/golden.h"
#include "support/matrix.h"

namespace quern {
namespace {

std::vector<ChosenExpert> choose(const std::vector<float>& logits, size_t n_used,
                                 bool normalise = true) {
  std::vector<ChosenExpert> chosen(n_used);
  choose_experts({.logits = logits, .normalise = normalise}, chosen);
  return chosen;
}

TEST(ChooseExperts, TakesTheLargestInAscendingOrder) {
  const auto chosen = choose({0.5F, 3.0F, -1.0F, 2.0F, 1.0F}, 3);
  EXPECT_EQ(chosen[0].expert, 1U);
  EXPECT_EQ(chosen[1].expert, 3U);
  EXPECT_EQ(chosen[2].expert, 4U);
}

TEST(ChooseExperts, OfEqualLogitsTheLowerNumberGoesFirst) {
  const auto chosen = choose({1.0F, 2.0F, 2.0F, 1.0F, 2.0F, 1.0F}, 4);
  EXPECT_EQ(chosen[0].expert, 0U);  // the first of the three with 1
  EXPECT_EQ(chosen[1].expert, 1U);
  EXPECT_EQ(chosen[2].expert, 2U);
  EXPECT_EQ(chosen[3].expert, 4U);
  const auto all_equal = choose(std::vector<float>(9, 0.25F), 2);
  EXPECT_EQ(all_equal[0].expert, 0U);
  EXPECT_EQ(all_equal[1].expert, 1U);
}

// softmax(ln 1, ln 2, ln 3, ln 4) = 1/10, 2/10, 3/10, 4/10; of the last two alone 3/7 and 4/7.
TEST(ChooseExperts, WeighsByTheSoftmaxOfAllOrOfTheChosen) {
  const std::vector<float> logits = {std::log(1.0F), std::log(2.0F), std::log(3.0F),
                                     std::log(4.0F)};
  const auto plain = choose(logits, 2, false);
  EXPECT_NEAR(plain[0].weight, 0.3F, 1e-7F);
  EXPECT_NEAR(plain[1].weight, 0.4F, 1e-7F);
  const auto normalised = choose(logits, 2, true);
  EXPECT_NEAR(normalised[0].weight, 3.0F / 7.0F, 1e-7F);
  EXPECT_NEAR(normalised[1].weight, 4.0F / 7.0F, 1e-7F);
}

TEST(ChooseExperts, LogitsBeyondTheExponentialsRangeWeighWhatTheyShould) {
  const auto chosen = choose({5000.0F, -5000.0F, 5000.0F}, 2, false);
  EXPECT_EQ(chosen[0].weight, 0.5F);
  EXPECT_EQ(chosen[1].weight, 0.5F);
}

TEST(ChooseExperts, NaNsChooseDifferentExpertsAndAreNotLost) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto chosen = choose({nan, 1.0F, nan, 2.0F}, 3);
  EXPECT_LT(chosen[0].expert, chosen[1].expert);
  EXPECT_LT(chosen[1].expert, chosen[2].expert);
  EXPECT_LT(chosen[2].expert, 4U);
  EXPECT_TRUE(std::isnan(chosen[0].weight));
}

// Waves hold whole experts of at most max_tokens rows, every row lies in one, and rows of an expert
// are in the order of their tokens.
TEST(ExpertRouting, WavesCoverEveryRowOnceInOrderOfExperts) {
  constexpr uint32_t kTokens = 23;
  constexpr uint32_t kExperts = 7;
  constexpr uint32_t kUsed = 3;
  ExpertRouting routing;
  routing.reserve({.max_tokens = kTokens, .n_experts = kExperts, .n_used = kUsed});
  routing.begin(kTokens, kUsed);
  const auto logits = test::random_floats(size_t{kTokens} * kExperts, 5);
  for (uint32_t t = 0; t < kTokens; ++t) {
    routing.choose(t, {.logits = std::span(logits).subspan(size_t{t} * kExperts, kExperts)});
  }
  routing.sort();
  uint32_t next_row = 0;
  uint32_t next_segment = 0;
  for (const ExpertWave& wave : routing.waves()) {
    EXPECT_EQ(wave.first_row, next_row);
    EXPECT_EQ(wave.first_segment, next_segment);
    EXPECT_LE(wave.n_rows, kTokens);
    next_row += wave.n_rows;
    next_segment = wave.last_segment;
  }
  EXPECT_EQ(next_row, kTokens * kUsed);
  EXPECT_EQ(next_segment, routing.segments().size());
  for (const ExpertSegment& segment : routing.segments()) {
    for (uint32_t i = 1; i < segment.n_rows; ++i) {
      EXPECT_LT(routing.token_of(segment.first_row + i - 1),
                routing.token_of(segment.first_row + i));
    }
  }
  for (uint32_t t = 0; t < kTokens; ++t) {
    for (const uint32_t row : routing.rows_of(t)) {
      EXPECT_EQ(routing.token_of(row), t);
    }
  }
}

// The op against the same sum written out in double: 9 tokens, 2 of 5 experts of f32 weights.
constexpr uint32_t kTokens = 9;
constexpr uint32_t kExperts = 5;
constexpr uint32_t kWidth = 64;
constexpr uint32_t kHidden = 96;

struct Stack {
  std::vector<float> values;
  std::vector<ByteSpan> experts;
};
Stack stack(uint32_t n_rows, uint32_t n_columns, uint64_t seed) {
  Stack s;
  const size_t n = size_t{n_rows} * n_columns;
  s.values = test::random_floats(kExperts * n, seed, 0.2F);
  for (uint32_t e = 0; e < kExperts; ++e) {
    s.experts.push_back(std::as_bytes(std::span(s.values).subspan(e * n, n)));
  }
  return s;
}

// `rows` becomes an embedding table, and the tokens 0, 1, ... fetch them.
std::unique_ptr<Activations> activations(Backend& backend, const std::vector<float>& rows,
                                         uint32_t n_columns) {
  auto out = backend.make_activations(kTokens, n_columns);
  const auto table = backend.load_matrix({.dtype = DType::f32,
                                          .n_rows = kTokens,
                                          .n_columns = n_columns,
                                          .bytes = std::as_bytes(std::span(rows))});
  EXPECT_TRUE(out && table);
  std::vector<TokenId> tokens;
  for (uint32_t t = 0; t < kTokens; ++t) {
    tokens.push_back(TokenId{static_cast<int32_t>(t)});
  }
  const std::vector<int32_t> positions(kTokens);
  backend.begin({.tokens = tokens, .positions = positions, .sequences = {}});
  backend.embed({.table = table->get(), .out = out->get()});
  EXPECT_TRUE(backend.finish().has_value());
  return std::move(*out);
}

struct Truth {
  const Stack& gate;
  const Stack& up;
  const Stack& down;

  double dot(const Stack& s, size_t first, std::span<const double> x) const {
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      sum += static_cast<double>(s.values[first + i]) * x[i];
    }
    return sum;
  }

  void add(const ChosenExpert& chosen, std::span<const double> x, std::span<double> out) const {
    std::vector<double> hidden(kHidden);
    for (size_t h = 0; h < kHidden; ++h) {
      const size_t row = (chosen.expert * size_t{kHidden} + h) * kWidth;
      const double g = dot(gate, row, x);
      hidden[h] = g / (1.0 + std::exp(-g)) * dot(up, row, x);
    }
    for (size_t d = 0; d < kWidth; ++d) {
      out[d] += static_cast<double>(chosen.weight) *
                dot(down, (chosen.expert * size_t{kWidth} + d) * kHidden, hidden);
    }
  }
};

TEST(ExpertsOp, AddsTheWeightedSumOfTheChosenExperts) {
  const Stack gate = stack(kHidden, kWidth, 1);
  const Stack up = stack(kHidden, kWidth, 2);
  const Stack down = stack(kWidth, kHidden, 3);
  const auto x = test::random_floats(size_t{kTokens} * kWidth, 4);
  const auto logits = test::random_floats(size_t{kTokens} * kExperts, 5);
  const auto before = test::random_floats(size_t{kTokens} * kWidth, 6);
  std::vector<float> want;
  for (size_t t = 0; t < kTokens; ++t) {
    const std::vector<double> row(x.begin() + static_cast<std::ptrdiff_t>(t * kWidth),
                                  x.begin() + static_cast<std::ptrdiff_t>((t + 1) * kWidth));
    std::vector<double> sum(before.begin() + static_cast<std::ptrdiff_t>(t * kWidth),
                            before.begin() + static_cast<std::ptrdiff_t>((t + 1) * kWidth));
    const auto first = logits.begin() + static_cast<std::ptrdiff_t>(t * kExperts);
    for (const ChosenExpert& chosen : choose({first, first + kExperts}, 2)) {
      Truth{gate, up, down}.add(chosen, row, sum);
    }
    want.insert(want.end(), sum.begin(), sum.end());
  }
  for (const KernelTable* table : test::runnable_tables()) {
    const auto backend = make_cpu_backend({.n_threads = 3, .isa = std::string(table->isa)});
    ASSERT_TRUE(backend.has_value());
    const auto load = [&](const Stack& s, uint32_t n_rows, uint32_t n_columns) {
      return (*backend)->load_experts(
          {.dtype = DType::f32, .n_rows = n_rows, .n_columns = n_columns, .experts = s.experts});
    };
    const auto gates = load(gate, kHidden, kWidth);
    const auto ups = load(up, kHidden, kWidth);
    const auto downs = load(down, kWidth, kHidden);
    ASSERT_TRUE((*backend)->reserve_experts({.max_rows = kTokens,
                                             .n_experts = kExperts,
                                             .n_used = 2,
                                             .d_model = kWidth,
                                             .d_ff = kHidden}));
    const auto in = activations(**backend, x, kWidth);
    const auto router = activations(**backend, logits, kExperts);
    const auto out = activations(**backend, before, kWidth);
    (*backend)->experts({.x = in.get(),
                         .router = router.get(),
                         .gate = gates->get(),
                         .up = ups->get(),
                         .down = downs->get(),
                         .out = out.get(),
                         .n_rows = kTokens,
                         .n_used = 2});
    std::vector<float> got(want.size());
    for (uint32_t t = 0; t < kTokens; ++t) {
      (*backend)->read_row(*out, t, std::span(got).subspan(size_t{t} * kWidth, kWidth));
    }
    EXPECT_LT(test::nmse(got, want), 1e-12) << table->isa;
  }
}

}  // namespace
}  // namespace quern
