#include "sampling/candidates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "reference.h"

namespace quern {
namespace {

using testing::ElementsAre;

std::vector<int> kept(const Candidates& candidates) {
  std::vector<int> ids;
  ids.reserve(candidates.size());
  for (size_t i = 0; i < candidates.size(); ++i) {
    ids.push_back(value(candidates.token(i)));
  }
  return ids;
}

std::vector<float> logs(const std::vector<float>& probabilities) {
  std::vector<float> logits;
  logits.reserve(probabilities.size());
  for (const float p : probabilities) {
    logits.push_back(std::log(p));
  }
  return logits;
}

std::vector<int> after(const std::vector<float>& logits,
                       const std::function<void(Candidates&)>& cut) {
  Candidates candidates(static_cast<uint32_t>(logits.size()));
  candidates.start(logits);
  cut(candidates);
  return kept(candidates);
}

// Kept sets worked out by hand from probabilities 0.1 to 0.4, at the same settings as llama.cpp's
// tests/test-sampling.cpp.
TEST(Candidates, HandWorkedCutsOfFourTokens) {
  const std::vector<float> l = logs({0.1F, 0.2F, 0.3F, 0.4F});
  EXPECT_THAT(after(l, [](auto& c) { c.keep_top_k(1); }), ElementsAre(3));
  EXPECT_THAT(after(l, [](auto& c) { c.keep_top_k(3); }), ElementsAre(1, 2, 3));
  EXPECT_THAT(after(l, [](auto& c) { c.keep_top_k(9); }), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(after(l, [](auto& c) { c.keep_top_p(0.0F); }), ElementsAre(3));
  EXPECT_THAT(after(l, [](auto& c) { c.keep_top_p(0.69F); }), ElementsAre(2, 3));
  EXPECT_THAT(after(l, [](auto& c) { c.keep_top_p(0.71F); }), ElementsAre(1, 2, 3));
  EXPECT_THAT(after(l, [](auto& c) { c.keep_top_p(0.95F); }), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(after(l, [](auto& c) { c.remove_top_choices(0.09F); }), ElementsAre(0));
  EXPECT_THAT(after(l, [](auto& c) { c.remove_top_choices(0.19F); }), ElementsAre(0, 1));
  EXPECT_THAT(after(l, [](auto& c) { c.remove_top_choices(0.29F); }), ElementsAre(0, 1, 2));
  EXPECT_THAT(after(l, [](auto& c) { c.remove_top_choices(0.39F); }), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(after(l, [](auto& c) { c.remove_top_choices(0.49F); }), ElementsAre(0, 1, 2, 3));
}

// Entropy of (0.4, 0.2, 0.2, 0.2) is 1.332; surprises 0.916 and 1.609: the three 0.2s are nearer.
TEST(Candidates, TypicalPrefersTheExpectedSurpriseToTheMostLikely) {
  const auto typical = [](auto& c) { c.keep_typical(0.5F); };
  EXPECT_THAT(after(logs({0.4F, 0.2F, 0.2F, 0.2F}), typical), ElementsAre(1, 2, 3));
  EXPECT_THAT(after(logs({0.97F, 0.01F, 0.01F, 0.01F}), typical), ElementsAre(0));
}

TEST(Candidates, TiesAtACutGoToTheLowerTokenId) {
  const std::vector<float> flat(200, 1.5F);
  EXPECT_THAT(after(flat, [](auto& c) { c.keep_top_k(3); }), ElementsAre(0, 1, 2));
  EXPECT_THAT(after(flat, [](auto& c) { c.keep_top_p(0.0199F); }), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(after(flat, [](auto& c) { c.keep_typical(0.0149F); }), ElementsAre(0, 1, 2));
  // All three of a third each are top choices; the last of them stays.
  EXPECT_THAT(after({0.0F, 0.0F, 0.0F}, [](auto& c) { c.remove_top_choices(0.3F); }),
              ElementsAre(2));
}

TEST(Candidates, MinusInfinityNeverStays) {
  const std::vector<float> l = {kNegInf, 0.0F, kNegInf, -1.0F, kNegInf};
  EXPECT_THAT(after(l, [](auto& c) { c.keep_top_k(4); }), ElementsAre(1, 3));
  EXPECT_THAT(after(l, [](auto& c) { c.keep_at_least(kNegInf); }), ElementsAre(1, 3));
  EXPECT_THAT(after(l, [](auto& c) { c.keep_typical(0.999F); }), ElementsAre(1, 3));
  EXPECT_THAT(after(l, [](auto& c) { c.keep_top_p(0.999F); }), ElementsAre(1, 3));
}

TEST(Candidates, AThresholdAboveTheBestKeepsTheBest) {
  EXPECT_THAT(after({1.0F, 3.0F, 2.0F}, [](auto& c) { c.keep_at_least(5.0F); }), ElementsAre(1));
}

constexpr double kRounding = 2e-6;

struct Order {
  test::Choices all;
  std::vector<double> scores;  // of each choice
};

// `got` must be a head of the order of scores (lowest first) with mass p, give or take what
// rounding a sum of float weights may move.
void expect_head(const Order& order, double p, const std::vector<int>& got) {
  const auto& [all, scores] = order;
  const std::vector<double> probability = test::softmax(all);
  double mass = 0;
  double worst_kept = -1e9;
  double worst_kept_mass = 0;
  double best_dropped = 1e9;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!std::ranges::binary_search(got, all[i].id)) {
      best_dropped = std::min(best_dropped, scores[i]);
      continue;
    }
    mass += probability[i];
    worst_kept_mass = scores[i] > worst_kept ? probability[i] : worst_kept_mass;
    worst_kept = std::max(worst_kept, scores[i]);
  }
  EXPECT_LE(worst_kept, best_dropped + 1e-5);
  EXPECT_GE(mass, p - kRounding);
  EXPECT_LE(mass - worst_kept_mass, p + kRounding);
}

void check_masses(const std::vector<float>& l, float p) {
  const test::Choices all = test::all_choices(l);
  const std::vector<int> head = after(l, [p](auto& c) { c.keep_top_p(p); });
  EXPECT_EQ(head, ids_of(test::ref_top_k(all, head.size())));
  std::vector<double> scores;
  scores.reserve(all.size());
  for (const double probability : test::softmax(all)) {
    scores.push_back(-std::log(probability));
  }
  expect_head({all, scores}, static_cast<double>(p), head);
  const double entropy = test::ref_entropy(all);
  for (double& score : scores) {
    score = std::abs(score - entropy);
  }
  expect_head({all, scores}, static_cast<double>(p), after(l, [p](auto& c) { c.keep_typical(p); }));
}

struct Shape {
  size_t n;
  bool with_ties;
};

// Against the sorting reference, on vocabularies around block edges and of real size.
TEST(Candidates, EachCutEqualsTheSortingReference) {
  for (const Shape shape : {Shape{1, false},
                            {5, true},
                            {64, false},
                            {65, true},
                            {1000, false},
                            {1000, true},
                            {20'011, false},
                            {20'011, true}}) {
    for (uint32_t seed = 0; seed < 3; ++seed) {
      const std::vector<float> l = test::random_logits(shape.n, seed, shape.with_ties);
      const test::Choices all = test::all_choices(l);
      for (const size_t k : {1U, 2U, 40U, 400U, 5000U}) {
        EXPECT_EQ(after(l, [k](auto& c) { c.keep_top_k(k); }), ids_of(ref_top_k(all, k)));
      }
      for (const float p : {0.05F, 0.5F, 0.9F, 0.99F, 0.99999F}) {
        check_masses(l, p);
      }
      for (const float t : {0.001F, 0.01F, 0.1F}) {
        EXPECT_EQ(after(l, [t](auto& c) { c.remove_top_choices(t); }),
                  ids_of(ref_xtc(all, static_cast<double>(t))));
      }
    }
  }
}

TEST(Candidates, CutsAfterACutEqualTheSortingReference) {
  const std::vector<float> l = test::random_logits(3000, 11);
  const auto chain = [](Candidates& c) {
    c.keep_top_k(300);
    c.keep_typical(0.9F);
    c.keep_top_p(0.8F);
    c.remove_top_choices(0.02F);
  };
  const test::Choices want = test::ref_xtc(
      test::ref_top_p(test::ref_typical(test::ref_top_k(test::all_choices(l), 300), 0.9), 0.8),
      0.02);
  EXPECT_EQ(after(l, chain), ids_of(want));
}

}  // namespace
}  // namespace quern
