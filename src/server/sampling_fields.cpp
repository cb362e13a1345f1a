#include "server/sampling_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>
#include <utility>

namespace quern::server {
namespace {

constexpr int64_t kMaxInt = std::numeric_limits<int32_t>::max();

// The id that a member's name spells; JSON has no other way to key by number.
std::optional<TokenId> token_of(std::string_view text) {
  constexpr size_t kMaxDigits = 9;
  int32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size() || id < 0 || text.front() == '-' ||
      text.size() > kMaxDigits) {
    return std::nullopt;
  }
  return TokenId{id};
}

void read_logit_bias(Fields& fields, std::vector<LogitBias>& out) {
  constexpr double kMost = 100.0;
  const Json* json = fields.object("logit_bias");
  if (json == nullptr) {
    return;
  }
  if (json->size() > static_cast<size_t>(kMaxLogitBiases)) {
    fields.fault("logit_bias", fmt::format("logit_bias has {} tokens; expected at most {}",
                                           json->size(), kMaxLogitBiases));
    return;
  }
  for (const auto& [name, bias] : json->items()) {
    const auto token = token_of(name);
    if (!token) {
      fields.fault("logit_bias",
                   "logit_bias has a name that is no token id; expected names like "
                   "\"1234\"");
      return;
    }
    const double number = bias.is_number() ? bias.get<double>() : 2 * kMost;
    if (!(number >= -kMost && number <= kMost)) {
      fields.unexpected("logit_bias." + name, bias, "a number from -100 to 100");
      return;
    }
    out.push_back({.token = *token, .bias = static_cast<float>(number)});
  }
}

template <typename T, typename U>
void take(const std::optional<T>& from, U& to) {
  if (from) {
    to = static_cast<U>(*from);
  }
}

void overlay(const SamplingFields& fields, SamplingParams& params) {
  take(fields.temperature, params.temperature);
  take(fields.top_p, params.top_p);
  take(fields.min_p, params.min_p);
  take(fields.typical_p, params.typical_p);
  take(fields.top_n_sigma, params.top_n_sigma);
  take(fields.xtc_probability, params.xtc_probability);
  take(fields.xtc_threshold, params.xtc_threshold);
  take(fields.dry_multiplier, params.dry_multiplier);
  take(fields.dry_base, params.dry_base);
  take(fields.dry_allowed_length, params.dry_allowed_length);
  take(fields.dry_penalty_last_n, params.dry_penalty_last_n);
  take(fields.dynatemp_range, params.dynatemp_range);
  take(fields.dynatemp_exponent, params.dynatemp_exponent);
  take(fields.repetition_penalty, params.repetition_penalty);
  take(fields.frequency_penalty, params.frequency_penalty);
  take(fields.presence_penalty, params.presence_penalty);
  take(fields.mirostat, params.mirostat);
  take(fields.mirostat_tau, params.mirostat_tau);
  take(fields.mirostat_eta, params.mirostat_eta);
  take(fields.top_k, params.top_k);
  take(fields.penalty_last_n, params.penalty_last_n);
  take(fields.min_tokens, params.min_tokens);
  take(fields.ignore_eos, params.ignore_eos);
  params.logit_bias = fields.logit_bias;
  params.n_logprobs = fields.n_logprobs;
}

// What llama-server's clients send beyond the names of read_sampling().
void read_llama_sampling(Fields& fields, SamplingFields& out) {
  constexpr double kMost = 1000;
  fields.real("typical_p", out.typical_p, {0.001, 1});
  fields.real("top_n_sigma", out.top_n_sigma, {-1, kMost});
  fields.real("xtc_probability", out.xtc_probability, {0, 1});
  fields.real("xtc_threshold", out.xtc_threshold, {0, 1});
  fields.real("dry_multiplier", out.dry_multiplier, {0, kMost});
  fields.real("dry_base", out.dry_base, {1, kMost});
  fields.integer("dry_allowed_length", out.dry_allowed_length, {0, kMaxPenaltyWindow});
  fields.integer("dry_penalty_last_n", out.dry_penalty_last_n, {-1, kMaxPenaltyWindow});
  fields.real("dynatemp_range", out.dynatemp_range, {0, 100});
  fields.real("dynatemp_exponent", out.dynatemp_exponent, {0, 100});
  read_repeat(fields, out);
  read_mirostat(fields, out);
  fields.unsupported("dry_sequence_breakers", "repetitions are sought across all of the text");
}

}  // namespace

void read_repeat(Fields& fields, SamplingFields& out) {
  fields.real("repeat_penalty", out.repetition_penalty, {0.01, 100});
  fields.integer("repeat_last_n", out.penalty_last_n, {-1, kMaxPenaltyWindow});
}

void read_mirostat(Fields& fields, SamplingFields& out) {
  std::optional<int32_t> version;
  fields.integer("mirostat", version, {0, 2});
  if (version == 1) {
    fields.refuse_value("mirostat", fields.full_name("mirostat") +
                                        " is 1, which is not supported; expected 0 or 2");
  }
  if (version) {
    out.mirostat = *version == 2 ? Mirostat::v2 : Mirostat::off;
  }
  fields.real("mirostat_tau", out.mirostat_tau, {0, 1000});
  fields.real("mirostat_eta", out.mirostat_eta, {0, 1000});
}

void read_sampling(Fields& fields, SamplingFields& out) {
  read_llama_sampling(fields, out);
  fields.real("temperature", out.temperature, {0, 2});
  fields.real("top_p", out.top_p, {0, 1});
  fields.real("min_p", out.min_p, {0, 1});
  fields.real("repetition_penalty", out.repetition_penalty, {0.01, 100});
  fields.real("frequency_penalty", out.frequency_penalty, {-2, 2});
  fields.real("presence_penalty", out.presence_penalty, {-2, 2});
  fields.integer("top_k", out.top_k, {-1, kMaxInt});
  fields.integer("seed", out.seed,
                 {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()});
  fields.integer("min_tokens", out.min_tokens, {0, kMaxInt});
  fields.boolean("ignore_eos", out.ignore_eos);
  fields.token_ids("stop_token_ids", out.stop_tokens, kAnyVocabulary);
  read_logit_bias(fields, out.logit_bias);
}

Api<SamplingParams> sampling_params(const SamplingFields& fields, const LoadedModel& model,
                                    SamplingCustom custom) {
  SamplingParams params = sampling_defaults(model.card(), custom);
  overlay(fields, params);
  params.seed =
      fields.seed && *fields.seed != -1 ? static_cast<uint64_t>(*fields.seed) : drawn_seed();
  if (params.ignore_eos || params.min_tokens > 0) {
    params.end_tokens = end_tokens(model.tokenizer());
    params.end_tokens.insert(params.end_tokens.end(), fields.stop_tokens.begin(),
                             fields.stop_tokens.end());
  }
  const uint32_t vocab_size = model.tokenizer().vocab_size();
  const auto is_outside = [vocab_size](TokenId token) {
    return static_cast<uint32_t>(value(token)) >= vocab_size;
  };
  for (const LogitBias& one : params.logit_bias) {
    if (is_outside(one.token)) {
      return refuse(
          bad_field("logit_bias", fmt::format("logit_bias names token {}; expected an id below {}",
                                              value(one.token), vocab_size)));
    }
  }
  const auto stop = std::ranges::find_if(fields.stop_tokens, is_outside);
  if (stop != fields.stop_tokens.end()) {
    return refuse(bad_field("stop_token_ids",
                            fmt::format("stop_token_ids names token {}; expected an id below {}",
                                        value(*stop), vocab_size)));
  }
  if (const Status status = validate(params, vocab_size); !status) {
    ApiError error = from_error(status.error());
    // The message begins with the field.
    error.param = status.error().what.substr(0, status.error().what.find(' '));
    return refuse(std::move(error));
  }
  return params;
}

}  // namespace quern::server
