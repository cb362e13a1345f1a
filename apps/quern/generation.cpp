#include "generation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string_view>

#include "engine/sampling_defaults.h"
#include "text/printable.h"

namespace quern::app {
namespace {

void apply(const GenerationFlags& flags, SamplingParams& params) {
  params.temperature = flags.temperature.value_or(params.temperature);
  // llama.cpp takes any number below 1 for "off".
  params.top_k = std::max(0, flags.top_k.value_or(params.top_k));
  params.top_p = flags.top_p.value_or(params.top_p);
  params.min_p = flags.min_p.value_or(params.min_p);
  params.repetition_penalty = flags.repeat_penalty.value_or(params.repetition_penalty);
  params.ignore_eos = flags.ignore_eos;
}

// What the user calls a field of SamplingParams.
struct FieldName {
  std::string_view field;
  std::string_view flag;
  std::string_view setting;
};
constexpr std::array<FieldName, 4> kFieldNames = {
    {{"temperature", "--temp", "temperature"},
     {"top_p", "--top-p", "top_p"},
     {"min_p", "--min-p", "min_p"},
     {"repetition_penalty", "--repeat-penalty", "repeat_penalty"}}};

// "top_p is 2" in the words of someone who typed --top-p.
std::string in_users_words(std::string what, Spelling spelling) {
  for (const FieldName& name : kFieldNames) {
    if (what.starts_with(name.field) && what.substr(name.field.size()).starts_with(' ')) {
      return what.replace(0, name.field.size(),
                          spelling == Spelling::flags ? name.flag : name.setting);
    }
  }
  return what;
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

Status check(const GenerationFlags& flags, Spelling spelling) {
  if (std::ranges::find(flags.stop, "") != flags.stop.end()) {
    return fail({.kind = ErrorKind::usage,
                 .where = "usage",
                 .what = "--stop is empty",
                 .expected = "the text before which an answer ends"});
  }
  SamplingParams params;
  apply(flags, params);
  Status status = validate(params, std::numeric_limits<uint32_t>::max());
  if (!status) {
    status.error().kind = ErrorKind::usage;
    status.error().where = spelling == Spelling::flags ? "usage" : "set";
    status.error().what = in_users_words(std::move(status.error().what), spelling);
  }
  return status;
}

SamplingParams sampling_params(const GenerationFlags& flags, const LoadedModel& model) {
  SamplingParams params = sampling_defaults(model.card(), SamplingCustom::terminal);
  apply(flags, params);
  params.seed = flags.seed ? *flags.seed : drawn_seed();
  if (flags.ignore_eos) {
    params.end_tokens = end_tokens(model.tokenizer());
  }
  return params;
}

}  // namespace quern::app
