// A second implementation of the sampling chain for tests: double precision, whole sorts, written
// from the definitions in sampler.h and the cited papers, sharing no code with src/sampling.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "sampling/sampling_params.h"

namespace quern::test {

struct Choice {
  int id;
  double logit;
};
using Choices = std::vector<Choice>;

Choices all_choices(const std::vector<float>& logits);
std::vector<double> softmax(const Choices& choices, double temperature = 1.0);

Choices ref_top_n_sigma(Choices choices, double n);
Choices ref_top_k(Choices choices, size_t k);
Choices ref_typical(Choices choices, double p);
Choices ref_top_p(Choices choices, double p);
Choices ref_min_p(Choices choices, double p);
Choices ref_xtc(Choices choices, double threshold);
double ref_entropy(const Choices& choices);

// Steps 5 to 12 of the chain: the probability of each token, XTC as a mixture of its two outcomes.
std::map<int, double> ref_distribution(const SamplingParams& params, Choices choices);

// Ids in ascending order.
std::vector<int> ids_of(const Choices& choices);

// Logits like a language model's: normal, with ties (rounded to 1/16) where asked.
std::vector<float> random_logits(size_t n, uint32_t seed, bool with_ties = false);

// The 0.999 quantile of chi-square (Wilson and Hilferty's approximation, 1931).
double chi_square_bound(size_t degrees);

// Pearson's statistic against exact probabilities; cells expected below 5 times are merged. Tokens
// drawn that cannot be fail the test.
void expect_frequencies(const std::map<int, double>& exact, const std::map<int, int>& drawn);

}  // namespace quern::test
