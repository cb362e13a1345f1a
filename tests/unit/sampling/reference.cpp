#include "reference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace quern::test {
namespace {

constexpr double kZ = 3.0902;  // the normal distribution's 0.999 quantile

void sort_by_logit(Choices& choices) {
  std::ranges::sort(choices, [](const Choice& a, const Choice& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  });
}

std::map<int, double> after_temperature(const SamplingParams& params, const Choices& choices) {
  double t = static_cast<double>(params.temperature);
  const double range = static_cast<double>(params.dynatemp_range);
  if (range > 0 && choices.size() > 1) {
    const double share = ref_entropy(choices) / std::log(static_cast<double>(choices.size()));
    const double low = std::max(0.0, t - range);
    t = low + (t + range - low) * std::pow(share, static_cast<double>(params.dynatemp_exponent));
  }
  const std::vector<double> p = softmax(choices, t);
  std::map<int, double> result;
  for (size_t i = 0; i < choices.size(); ++i) {
    result[choices[i].id] = p[i];
  }
  return result;
}

}  // namespace

Choices all_choices(const std::vector<float>& logits) {
  Choices choices;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > -std::numeric_limits<float>::infinity()) {
      choices.push_back({static_cast<int>(i), static_cast<double>(logits[i])});
    }
  }
  return choices;
}

std::vector<double> softmax(const Choices& choices, double temperature) {
  double max = -std::numeric_limits<double>::infinity();
  for (const Choice& c : choices) {
    max = std::max(max, c.logit);
  }
  std::vector<double> p;
  for (const Choice& c : choices) {
    p.push_back(std::exp((c.logit - max) / temperature));
  }
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& x : p) {
    x /= total;
  }
  return p;
}

Choices ref_top_n_sigma(Choices choices, double n) {
  double mean = 0;
  double max = choices[0].logit;
  for (const Choice& c : choices) {
    mean += c.logit / static_cast<double>(choices.size());
    max = std::max(max, c.logit);
  }
  double variance = 0;
  for (const Choice& c : choices) {
    variance += (c.logit - mean) * (c.logit - mean) / static_cast<double>(choices.size());
  }
  std::erase_if(choices, [&](const Choice& c) { return c.logit < max - n * std::sqrt(variance); });
  return choices;
}

Choices ref_top_k(Choices choices, size_t k) {
  sort_by_logit(choices);
  choices.resize(std::min(k, choices.size()));
  return choices;
}

double ref_entropy(const Choices& choices) {
  double entropy = 0;
  for (const double p : softmax(choices)) {
    entropy -= p > 0 ? p * std::log(p) : 0;
  }
  return entropy;
}

Choices ref_typical(Choices choices, double p) {
  const double entropy = ref_entropy(choices);
  const std::vector<double> probability = softmax(choices);
  std::vector<size_t> order(choices.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {},
                           [&](size_t i) { return std::abs(-std::log(probability[i]) - entropy); });
  Choices kept;
  double mass = 0;
  for (const size_t i : order) {
    kept.push_back(choices[i]);
    mass += probability[i];
    if (mass > p) {
      break;
    }
  }
  return kept;
}

Choices ref_top_p(Choices choices, double p) {
  sort_by_logit(choices);
  const std::vector<double> probability = softmax(choices);
  double mass = 0;
  size_t n = 0;
  while (n < choices.size() && (n == 0 || mass < p)) {
    mass += probability[n++];
  }
  choices.resize(n);
  return choices;
}

Choices ref_min_p(Choices choices, double p) {
  const std::vector<double> probability = softmax(choices);
  const double best = *std::ranges::max_element(probability);
  Choices kept;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (probability[i] >= p * best) {
      kept.push_back(choices[i]);
    }
  }
  return kept;
}

Choices ref_xtc(Choices choices, double threshold) {
  sort_by_logit(choices);
  const std::vector<double> probability = softmax(choices);
  size_t n_top = 0;
  while (n_top < choices.size() && probability[n_top] >= threshold) {
    ++n_top;
  }
  if (n_top > 1) {
    choices.erase(choices.begin(), choices.begin() + static_cast<std::ptrdiff_t>(n_top - 1));
  }
  return choices;
}

std::map<int, double> ref_distribution(const SamplingParams& params, Choices choices) {
  if (params.top_n_sigma > 0) {
    choices = ref_top_n_sigma(choices, static_cast<double>(params.top_n_sigma));
  }
  if (params.top_k > 0) {
    choices = ref_top_k(choices, static_cast<size_t>(params.top_k));
  }
  if (params.typical_p < 1) {
    choices = ref_typical(choices, static_cast<double>(params.typical_p));
  }
  if (params.top_p < 1) {
    choices = ref_top_p(choices, static_cast<double>(params.top_p));
  }
  if (params.min_p > 0) {
    choices = ref_min_p(choices, static_cast<double>(params.min_p));
  }
  std::map<int, double> result = after_temperature(params, choices);
  const double chance = static_cast<double>(params.xtc_probability);
  if (chance > 0) {
    const auto cut =
        after_temperature(params, ref_xtc(choices, static_cast<double>(params.xtc_threshold)));
    for (auto& [id, p] : result) {
      p = (1 - chance) * p + (cut.contains(id) ? chance * cut.at(id) : 0);
    }
  }
  return result;
}

std::vector<int> ids_of(const Choices& choices) {
  std::vector<int> ids;
  for (const Choice& c : choices) {
    ids.push_back(c.id);
  }
  std::ranges::sort(ids);
  return ids;
}

std::vector<float> random_logits(size_t n, uint32_t seed, bool with_ties) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(-2.0F, 3.0F);
  std::vector<float> logits(n);
  for (float& x : logits) {
    x = normal(generator);
    x = with_ties ? std::round(x * 16.0F) / 16.0F : x;
  }
  return logits;
}

double chi_square_bound(size_t degrees) {
  const auto d = static_cast<double>(degrees);
  const double root = 1 - 2 / (9 * d) + kZ * std::sqrt(2 / (9 * d));
  return d * root * root * root;
}

void expect_frequencies(const std::map<int, double>& exact, const std::map<int, int>& drawn) {
  int total = 0;
  for (const auto& [id, n] : drawn) {
    total += n;
    EXPECT_TRUE(exact.contains(id) && exact.at(id) > 0) << "token " << id << " drawn " << n;
  }
  double statistic = 0;
  double rest_want = 0;
  double rest_got = 0;
  size_t n_cells = 0;
  for (const auto& [id, p] : exact) {
    const double want = p * total;
    const double got = drawn.contains(id) ? drawn.at(id) : 0;
    if (want < 5) {
      rest_want += want;
      rest_got += got;
      continue;
    }
    statistic += (got - want) * (got - want) / want;
    ++n_cells;
  }
  if (rest_want >= 5) {
    statistic += (rest_got - rest_want) * (rest_got - rest_want) / rest_want;
    ++n_cells;
  }
  if (n_cells > 1) {
    EXPECT_LT(statistic, chi_square_bound(n_cells - 1)) << n_cells << " cells";
  }
}

}  // namespace quern::test
