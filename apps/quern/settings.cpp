#include "settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <limits>
#include <type_traits>

#include "text/printable.h"

namespace quern::app {
namespace {

// What a value of type T is written as.
template <typename T>
std::string shape() {
  if constexpr (std::is_integral_v<T>) {
    return fmt::format("a whole number from {} to {}", std::numeric_limits<T>::min(),
                       std::numeric_limits<T>::max());
  } else {
    return "a number, such as 0.7";
  }
}

template <typename T>
Status parse(std::string_view text, std::optional<T>& out) {
  if (text.empty()) {
    out.reset();
    return {};
  }
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return fail({.kind = ErrorKind::usage,
                 .where = "set",
                 .what = "'" + printable(text) + "' is no value for it",
                 .expected = shape<T>()});
  }
  out = number;
  return {};
}

struct Setting {
  std::string_view name;
  Status (*change)(Settings&, std::string_view);
};

constexpr std::array<Setting, 8> kSettings = {{
    {"temperature",
     [](Settings& s, std::string_view v) { return parse(v, s.generation.temperature); }},
    {"top_k", [](Settings& s, std::string_view v) { return parse(v, s.generation.top_k); }},
    {"top_p", [](Settings& s, std::string_view v) { return parse(v, s.generation.top_p); }},
    {"min_p", [](Settings& s, std::string_view v) { return parse(v, s.generation.min_p); }},
    {"repeat_penalty",
     [](Settings& s, std::string_view v) { return parse(v, s.generation.repeat_penalty); }},
    {"seed", [](Settings& s,
                std::string_view v) { return set_seed(v.empty() ? "-1" : v, s.generation.seed); }},
    {"max_tokens",
     [](Settings& s, std::string_view v) { return parse(v, s.generation.max_tokens); }},
    {"system",
     [](Settings& s, std::string_view v) -> Status {
       s.system = v.empty() ? std::nullopt : std::optional<std::string>(v);
       return {};
     }},
}};

// Flags are written with dashes, JSON fields with underscores, and both are what people know.
std::string canonical(std::string_view name) {
  std::string result(name);
  std::ranges::replace(result, '-', '_');
  return result == "temp" ? "temperature" : result;
}

}  // namespace

Status change_setting(Settings& settings, std::string_view name, std::string_view value) {
  const std::string wanted = canonical(name);
  const auto* found = std::ranges::find(kSettings, wanted, &Setting::name);
  if (found == kSettings.end()) {
    std::string names;
    for (const Setting& setting : kSettings) {
      names += (names.empty() ? "" : ", ") + std::string(setting.name);
    }
    return fail({.kind = ErrorKind::usage,
                 .where = "set",
                 .what = "there is no setting '" + printable(name) + "'",
                 .expected = "one of " + names});
  }
  Settings changed = settings;
  QUERN_TRY(found->change(changed, value));
  QUERN_TRY(check(changed.generation, Spelling::settings));
  settings = std::move(changed);
  return {};
}

std::string list_settings(const Settings& settings, const LoadedModel& model) {
  const SamplingParams params = sampling_params(settings.generation, model);
  const GenerationFlags& flags = settings.generation;
  std::string text;
  const auto line = [&](std::string_view name, const std::string& value) {
    text += fmt::format("  {:<16}{}\n", name, value);
  };
  line("temperature", fmt::format("{}", params.temperature));
  line("top_k", fmt::format("{}", params.top_k));
  line("top_p", fmt::format("{}", params.top_p));
  line("min_p", fmt::format("{}", params.min_p));
  line("repeat_penalty", fmt::format("{}", params.repetition_penalty));
  line("seed", flags.seed ? fmt::format("{}", *flags.seed) : "drawn for each answer");
  line("max_tokens",
       flags.max_tokens ? fmt::format("{}", *flags.max_tokens) : "as the context allows");
  line("system", settings.system ? *settings.system : "the template's own");
  return text;
}

}  // namespace quern::app
