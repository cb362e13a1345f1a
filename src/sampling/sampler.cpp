#include "sampling/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include <fmt/format.h>

#include "base/check.h"
#include "base/rng.h"

namespace quern {
namespace {

constexpr uint32_t kDrawLane = 0;
constexpr uint32_t kXtcLane = 1;

std::unexpected<Error> bad_logits(std::string what, std::string expected) {
  return fail({.kind = ErrorKind::invalid_input,
               .where = "sampling",
               .what = std::move(what),
               .expected = std::move(expected)});
}

std::unexpected<Error> unusable_logits(uint64_t token_index) {
  return bad_logits(fmt::format("a logit of generated token {} is NaN or +inf", token_index),
                    "finite logits; the model's weights may be damaged");
}

size_t window_size(int32_t last_n, uint32_t context_length) {
  return last_n < 0 ? context_length : std::min(static_cast<uint32_t>(last_n), context_length);
}

RepeatPenalties repeat_penalties(const SamplingParams& params, uint32_t context_length) {
  return {.repetition = params.repetition_penalty,
          .frequency = params.frequency_penalty,
          .presence = params.presence_penalty,
          .last_n = window_size(params.penalty_last_n, context_length)};
}

void ban(std::span<const TokenId> tokens, std::span<float> logits) {
  for (const TokenId token : tokens) {
    logits[static_cast<size_t>(value(token))] = kNegInf;
  }
}

float inverse(float temperature) {
  return 1.0F / temperature;
}

}  // namespace

SamplerScratch::SamplerScratch(uint32_t vocab_size, uint32_t context_length)
    : logits_(vocab_size),
      counts_(vocab_size),
      candidates_(vocab_size),
      dry_(context_length),
      top_(std::min(vocab_size, static_cast<uint32_t>(kMaxLogprobs))) {}

Result<Sampler> Sampler::create(const SamplingParams& params, const SamplerConfig& config) {
  QUERN_CHECK(config.vocab_size > 0);
  QUERN_TRY(validate(params, config.vocab_size));
  return Sampler(params, config);
}

Sampler::Sampler(const SamplingParams& params, const SamplerConfig& config)
    : params_(params),
      config_(config),
      penalties_(repeat_penalties(params, config.context_length)),
      dry_(params, window_size(params.dry_penalty_last_n, config.context_length)),
      window_(std::max(
          penalties_.active() ? penalties_.last_n : 0,
          dry_.active() ? window_size(params.dry_penalty_last_n, config.context_length) : 0)),
      mu_(2.0F * params.mirostat_tau) {
  params_.dry_sequence_breakers.clear();  // dry_ has its own, sorted
}

void Sampler::accept(TokenId token) {
  QUERN_CHECK(value(token) >= 0 && static_cast<uint32_t>(value(token)) < config_.vocab_size);
  window_.push(token);
  if (pending_.token == token) {
    mu_ = pending_.mu;
  }
  pending_ = {};
}

double Sampler::uniform(uint64_t token_index, uint32_t lane) const {
  return draw_uniform({.seed = params_.seed,
                       .choice = config_.choice_index,
                       .token_index = token_index,
                       .lane = lane});
}

bool Sampler::end_is_banned(uint64_t token_index) const {
  return params_.ignore_eos || token_index < params_.min_tokens;
}

bool Sampler::modifies_logits(const SampleInput& input) const {
  return input.mask != nullptr || !params_.logit_bias.empty() || !params_.banned_tokens.empty() ||
         end_is_banned(input.token_index) || penalties_.active() || dry_.active();
}

void Sampler::modify(const SampleInput& input, SamplerScratch& scratch) const {
  const std::span<float> logits = scratch.logits_;
  for (const LogitBias& entry : params_.logit_bias) {
    logits[static_cast<size_t>(value(entry.token))] += entry.bias;
  }
  if (input.mask != nullptr) {
    input.mask->apply(logits);
  }
  ban(params_.banned_tokens, logits);
  if (end_is_banned(input.token_index)) {
    ban(params_.end_tokens, logits);
  }
  const PenaltyTarget target{.logits = logits, .counts = scratch.counts_};
  if (penalties_.active()) {
    apply_repeat_penalties(penalties_, window_, target);
  }
  if (dry_.active()) {
    dry_.apply(window_, scratch.dry_, target);
  }
}

// Steps 1 to 3: the logits that the rest of the chain sees, without a copy where nothing changes.
Result<std::span<const float>> Sampler::prepare(const SampleInput& input,
                                                SamplerScratch& scratch) const {
  if (!modifies_logits(input)) {
    return input.logits;
  }
  if (copy_has_bad(input.logits, scratch.logits_)) {
    return unusable_logits(input.token_index);
  }
  modify(input, scratch);
  return scratch.logits_;
}

Result<SampleResult> Sampler::sample(const SampleInput& input, SamplerScratch& scratch) {
  QUERN_CHECK(input.logits.size() == config_.vocab_size);
  QUERN_CHECK(scratch.logits_.size() == config_.vocab_size);
  QUERN_CHECK(scratch.dry_.recent.size() >= window_.capacity());
  QUERN_ASSIGN(const std::span<const float> logits, prepare(input, scratch));
  const LogitScan scan = scratch.candidates_.start(logits);
  if (scan.has_bad) {
    return unusable_logits(input.token_index);
  }
  if (scan.max == kNegInf) {
    return bad_logits(
        fmt::format("every token is ruled out at generated token {}", input.token_index),
        "at least one logit above -inf after biases, bans and grammar");
  }
  SampleResult result{.token = choose(input.token_index, scratch.candidates_),
                      .logprob = std::nullopt,
                      .top_logprobs = {}};
  if (params_.n_logprobs >= 0) {
    add_logprobs(input, scratch, result);
  }
  return result;
}

// Below about 3e-39 the division would overflow, and the draw is the highest logit anyway.
bool Sampler::is_greedy() const {
  return params_.temperature <= 0.0F || !std::isfinite(inverse(params_.temperature));
}

TokenId Sampler::choose(uint64_t token_index, Candidates& candidates) {
  if (is_greedy()) {
    return candidates.token(candidates.argmax());
  }
  if (params_.mirostat == Mirostat::v2) {
    return draw_with_mirostat(token_index, candidates);
  }
  truncate(candidates);
  apply_xtc(token_index, candidates);
  const float inv_temperature = inverse(final_temperature(candidates));
  if (!std::isfinite(inv_temperature)) {
    return candidates.token(candidates.argmax());
  }
  const Softmax softmax{.max = candidates.max(), .inv_temperature = inv_temperature};
  candidates.weigh(softmax);
  return candidates.token(candidates.pick(softmax, uniform(token_index, kDrawLane)));
}

void Sampler::truncate(Candidates& candidates) const {
  if (params_.top_n_sigma > 0.0F) {
    const Moments moments = logit_moments(candidates.logits());
    const double reach = static_cast<double>(params_.top_n_sigma) * moments.stddev;
    candidates.keep_at_least(static_cast<float>(static_cast<double>(candidates.max()) - reach));
  }
  if (params_.top_k > 0) {
    candidates.keep_top_k(static_cast<size_t>(params_.top_k));
  }
  if (params_.typical_p < 1.0F) {
    candidates.keep_typical(params_.typical_p);
  }
  if (params_.top_p < 1.0F) {
    candidates.keep_top_p(params_.top_p);
  }
  if (params_.min_p > 0.0F) {
    // p(token) >= min_p * p(best), without normalising.
    candidates.keep_at_least(candidates.max() + std::log(params_.min_p));
  }
}

void Sampler::apply_xtc(uint64_t token_index, Candidates& candidates) const {
  if (params_.xtc_probability <= 0.0F || params_.xtc_threshold > 0.5F) {
    return;
  }
  if (uniform(token_index, kXtcLane) < static_cast<double>(params_.xtc_probability)) {
    candidates.remove_top_choices(params_.xtc_threshold);
  }
}

float Sampler::final_temperature(const Candidates& candidates) const {
  if (params_.dynatemp_range <= 0.0F) {
    return params_.temperature;
  }
  const auto is_possible = [](float logit) { return logit > kNegInf; };
  const auto n_left = std::ranges::count_if(candidates.logits(), is_possible);
  if (n_left < 2) {
    return params_.temperature;
  }
  const float low = std::max(0.0F, params_.temperature - params_.dynatemp_range);
  const float high = params_.temperature + params_.dynatemp_range;
  const double entropy = softmax_entropy(candidates.logits(), {.max = candidates.max()}).entropy;
  const double share = std::clamp(entropy / std::log(static_cast<double>(n_left)), 0.0, 1.0);
  const double rise = std::pow(share, static_cast<double>(params_.dynatemp_exponent));
  return low + (high - low) * static_cast<float>(rise);
}

TokenId Sampler::draw_with_mirostat(uint64_t token_index, Candidates& candidates) {
  const Softmax softmax{.max = candidates.max(), .inv_temperature = inverse(params_.temperature)};
  // Surprise in bits is log2(Z) - x / ln 2 with x = (l - max) / T: keep x >= ln Z - mu * ln 2.
  const double least =
      std::log(candidates.weigh(softmax)) - static_cast<double>(mu_) * std::numbers::ln2;
  candidates.keep_at_least(static_cast<float>(static_cast<double>(softmax.max) +
                                              least * static_cast<double>(params_.temperature)));
  const double total = candidates.weigh(softmax);
  const size_t drawn = candidates.pick(softmax, uniform(token_index, kDrawLane));
  const auto x = static_cast<double>(softmax.exponent(candidates.logits()[drawn]));
  const auto surprise = static_cast<float>((std::log(total) - x) / std::numbers::ln2);
  pending_ = {.token = candidates.token(drawn),
              .mu = mu_ - params_.mirostat_eta * (surprise - params_.mirostat_tau)};
  return pending_.token;
}

void Sampler::add_logprobs(const SampleInput& input, SamplerScratch& scratch,
                           SampleResult& result) const {
  Candidates& all = scratch.candidates_;
  const double max = static_cast<double>(all.start(input.logits).max);
  const double log_total = max + std::log(all.weigh({.max = all.max()}));
  const auto logprob = [log_total](float logit) {
    return static_cast<float>(static_cast<double>(logit) - log_total);
  };
  result.logprob = logprob(input.logits[static_cast<size_t>(value(result.token))]);
  const size_t n = std::min(static_cast<size_t>(params_.n_logprobs), scratch.top_.size());
  if (n == 0) {
    return;
  }
  all.keep_top_k(n);
  const auto top = std::span(scratch.top_).first(std::min(n, all.size()));
  for (size_t i = 0; i < top.size(); ++i) {
    top[i] = {.token = all.token(i), .logprob = logprob(all.logits()[i])};
  }
  std::ranges::sort(top, [](const TokenLogprob& a, const TokenLogprob& b) {
    return a.logprob != b.logprob ? a.logprob > b.logprob : a.token < b.token;
  });
  result.top_logprobs = top;
}

}  // namespace quern
