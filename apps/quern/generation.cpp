#include "generation.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <random>
#include <string_view>

#include "text/printable.h"

namespace quern::app {
namespace {

constexpr float kDefaultTemperature = 0.8F;
constexpr int32_t kDefaultTopK = 40;
constexpr float kDefaultTopP = 0.9F;

// general.sampling.*, as llama.cpp reads them; values out of range are refused when a request
// comes with them.
class FileDefaults {
 public:
  explicit FileDefaults(const ModelCard& card) : card_(&card) {}

  void real(std::string_view key, float& out) const {
    if (const auto number = card_->f64(full(key))) {
      out = static_cast<float>(*number);
    }
  }
  void integer(std::string_view key, int32_t& out) const {
    if (const auto number = card_->i64(full(key))) {
      out = static_cast<int32_t>(std::clamp<int64_t>(*number, std::numeric_limits<int32_t>::min(),
                                                     std::numeric_limits<int32_t>::max()));
    }
  }

 private:
  static std::string full(std::string_view key) { return "general.sampling." + std::string(key); }
  const ModelCard* card_;
};

SamplingParams defaults_of(const ModelCard& card) {
  SamplingParams params;
  params.temperature = kDefaultTemperature;
  params.top_k = kDefaultTopK;
  params.top_p = kDefaultTopP;
  const FileDefaults file(card);
  file.real("temp", params.temperature);
  file.integer("top_k", params.top_k);
  file.real("top_p", params.top_p);
  file.real("min_p", params.min_p);
  file.real("xtc_probability", params.xtc_probability);
  file.real("xtc_threshold", params.xtc_threshold);
  file.real("penalty_repeat", params.repetition_penalty);
  file.integer("penalty_last_n", params.penalty_last_n);
  int32_t mirostat_version = 0;
  file.integer("mirostat", mirostat_version);
  params.mirostat = mirostat_version == 2 ? Mirostat::v2 : Mirostat::off;
  file.real("mirostat_tau", params.mirostat_tau);
  file.real("mirostat_eta", params.mirostat_eta);
  params.top_k = std::max(params.top_k, -1);  // files write any negative number for "off"
  return params;
}

void apply(const GenerationFlags& flags, SamplingParams& params) {
  params.temperature = flags.temperature.value_or(params.temperature);
  // llama.cpp takes any number below 1 for "off".
  params.top_k = std::max(0, flags.top_k.value_or(params.top_k));
  params.top_p = flags.top_p.value_or(params.top_p);
  params.min_p = flags.min_p.value_or(params.min_p);
  params.repetition_penalty = flags.repeat_penalty.value_or(params.repetition_penalty);
  params.ignore_eos = flags.ignore_eos;
}

// 32 bits, so that every JSON reader keeps the number whole.
uint64_t drawn_seed() {
  return std::random_device()();
}

std::vector<TokenId> end_tokens(const Tokenizer& tokenizer) {
  std::vector<TokenId> tokens;
  for (uint32_t i = 0; i < tokenizer.vocab_size(); ++i) {
    const TokenId token{static_cast<int32_t>(i)};
    if (tokenizer.is_end_of_generation(token)) {
      tokens.push_back(token);
    }
  }
  return tokens;
}

}  // namespace

Status set_seed(std::string_view text, std::optional<uint64_t>& seed) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number && text != "-1") {
    return fail({.kind = ErrorKind::usage,
                 .where = "set",
                 .what = "'" + printable(text) + "' is no seed from 0 to 18446744073709551615",
                 .expected = "such a number, or -1 for a drawn one"});
  }
  seed = is_number ? std::optional(number) : std::nullopt;
  return {};
}

void add_generation_flags(CLI::App& command, GenerationFlags& flags) {
  const auto option = [&](const char* name, auto& target, const char* help) {
    return command.add_option(name, target, help);
  };
  option("--max-tokens", flags.max_tokens, "End the answer after so many tokens")->type_name("N");
  option("--temp", flags.temperature, "Temperature; 0 always takes the likeliest token")
      ->type_name("T");
  option("--top-k", flags.top_k, "Draw from the K likeliest tokens; 0 or less is off")
      ->type_name("K");
  option("--top-p", flags.top_p,
         "Draw from the likeliest tokens that reach probability P; 1 is off")
      ->type_name("P");
  option("--min-p", flags.min_p, "Leave out tokens below P times the likeliest; 0 is off")
      ->type_name("P");
  option("--repeat-penalty", flags.repeat_penalty, "Make recent tokens less likely; 1 is off")
      ->type_name("P");
  const auto seed = [&flags](const std::string& text) {
    if (const Status status = set_seed(text, flags.seed); !status) {
      throw CLI::ValidationError("--seed", status.error().what);
    }
  };
  command
      .add_option_function<std::string>(
          "--seed", seed, "The same seed gives the same answer; -1 draws one (default: -1)")
      ->type_name("S");
  option("--stop", flags.stop, "End the answer before this text (may be given several times)")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  command.add_flag("--ignore-eos", flags.ignore_eos, "Never draw a token that ends the answer");
}

Status check(const GenerationFlags& flags) {
  SamplingParams params;
  apply(flags, params);
  Status status = validate(params, std::numeric_limits<uint32_t>::max());
  if (!status) {
    status.error().kind = ErrorKind::usage;
    status.error().where = "usage";
  }
  return status;
}

SamplingParams sampling_params(const GenerationFlags& flags, const LoadedModel& model) {
  SamplingParams params = defaults_of(model.card());
  apply(flags, params);
  params.seed = flags.seed ? *flags.seed : drawn_seed();
  if (flags.ignore_eos) {
    params.end_tokens = end_tokens(model.tokenizer());
  }
  return params;
}

}  // namespace quern::app
