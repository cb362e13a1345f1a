#include "sampling/sampling_params.h"

#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <string_view>

#include <fmt/format.h>

namespace quern {
namespace {

constexpr float kHuge = std::numeric_limits<float>::max();
// Far above any use, low enough that no step of the chain overflows to NaN.
constexpr float kMaxTemperature = 1e6F;
constexpr float kMaxPenalty = 1e3F;

// A real field and its closed range; open_low takes the lower bound itself out.
struct RealField {
  std::string_view name;
  float value;
  float low;
  float high;
  bool open_low = false;
};

struct IntegerField {
  std::string_view name;
  int64_t value;
  int64_t low;
  int64_t high;
};

std::unexpected<Error> out_of_range(std::string what, std::string expected) {
  return fail({.kind = ErrorKind::invalid_input,
               .where = "sampling",
               .what = std::move(what),
               .expected = std::move(expected)});
}

std::string describe_range(const RealField& field) {
  if (field.high == kHuge) {
    return fmt::format("a finite number >= {}", field.low);
  }
  return fmt::format("a number in {}{}, {}]", field.open_low ? "(" : "[", field.low, field.high);
}

Status check_reals(std::span<const RealField> fields) {
  for (const RealField& f : fields) {
    // Written so that NaN fails.
    const bool ok = f.value >= f.low && f.value <= f.high && (!f.open_low || f.value > f.low);
    if (!ok) {
      return out_of_range(fmt::format("{} is {}", f.name, f.value), describe_range(f));
    }
  }
  return {};
}

Status check_integers(std::span<const IntegerField> fields) {
  for (const IntegerField& f : fields) {
    if (f.value < f.low || f.value > f.high) {
      return out_of_range(fmt::format("{} is {}", f.name, f.value),
                          fmt::format("an integer in [{}, {}]", f.low, f.high));
    }
  }
  return {};
}

Status check_token(std::string_view field, TokenId token, uint32_t vocab_size) {
  if (value(token) < 0 || static_cast<uint32_t>(value(token)) >= vocab_size) {
    return out_of_range(fmt::format("{} names token {}", field, value(token)),
                        fmt::format("a token id in [0, {})", vocab_size));
  }
  return {};
}

Status check_tokens(const SamplingParams& params, uint32_t vocab_size) {
  for (const LogitBias& entry : params.logit_bias) {
    QUERN_TRY(check_token("logit_bias", entry.token, vocab_size));
    if (std::isnan(entry.bias) || entry.bias == std::numeric_limits<float>::infinity()) {
      return out_of_range(
          fmt::format("logit_bias of token {} is {}", value(entry.token), entry.bias),
          "a finite number or -inf");
    }
  }
  for (const TokenId token : params.banned_tokens) {
    QUERN_TRY(check_token("banned_tokens", token, vocab_size));
  }
  for (const TokenId token : params.end_tokens) {
    QUERN_TRY(check_token("end_tokens", token, vocab_size));
  }
  return {};
}

Status check_breakers(const SamplingParams& params, uint32_t vocab_size) {
  const auto& breakers = params.dry_sequence_breakers;
  if (breakers.size() > kMaxDryBreakers) {
    return out_of_range(fmt::format("dry_sequence_breakers has {} entries", breakers.size()),
                        fmt::format("at most {}", kMaxDryBreakers));
  }
  for (const auto& breaker : breakers) {
    if (breaker.empty() || breaker.size() > kMaxDryBreakerTokens) {
      return out_of_range(
          fmt::format("dry_sequence_breakers has an entry of {} tokens", breaker.size()),
          fmt::format("1 to {} tokens", kMaxDryBreakerTokens));
    }
    for (const TokenId token : breaker) {
      QUERN_TRY(check_token("dry_sequence_breakers", token, vocab_size));
    }
  }
  return {};
}

}  // namespace

Status validate(const SamplingParams& params, uint32_t vocab_size) {
  const std::array reals = {
      RealField{"temperature", params.temperature, 0, kMaxTemperature},
      RealField{"dynatemp_range", params.dynatemp_range, 0, kMaxTemperature},
      RealField{"dynatemp_exponent", params.dynatemp_exponent, 0, kHuge},
      RealField{"top_p", params.top_p, 0, 1},
      RealField{"min_p", params.min_p, 0, 1},
      RealField{"typical_p", params.typical_p, 0, 1, true},
      RealField{"top_n_sigma", params.top_n_sigma, -1, kHuge},
      RealField{"xtc_probability", params.xtc_probability, 0, 1},
      RealField{"xtc_threshold", params.xtc_threshold, 0, 1},
      RealField{"repetition_penalty", params.repetition_penalty, 0, kMaxPenalty, true},
      RealField{"frequency_penalty", params.frequency_penalty, -kMaxPenalty, kMaxPenalty},
      RealField{"presence_penalty", params.presence_penalty, -kMaxPenalty, kMaxPenalty},
      RealField{"dry_multiplier", params.dry_multiplier, 0, kHuge},
      RealField{"dry_base", params.dry_base, 1, kHuge},
      RealField{"mirostat_tau", params.mirostat_tau, 0, kMaxPenalty},
      RealField{"mirostat_eta", params.mirostat_eta, 0, kMaxPenalty},
  };
  const std::array integers = {
      IntegerField{"top_k", params.top_k, -1, std::numeric_limits<int32_t>::max()},
      IntegerField{"penalty_last_n", params.penalty_last_n, -1, kMaxPenaltyWindow},
      IntegerField{"dry_allowed_length", params.dry_allowed_length, 0, kMaxPenaltyWindow},
      IntegerField{"dry_penalty_last_n", params.dry_penalty_last_n, -1, kMaxPenaltyWindow},
      IntegerField{"n_logprobs", params.n_logprobs, -1, kMaxLogprobs},
  };
  QUERN_TRY(check_reals(reals));
  QUERN_TRY(check_integers(integers));
  QUERN_TRY(check_tokens(params, vocab_size));
  return check_breakers(params, vocab_size);
}

}  // namespace quern
