#include "engine/sampling_defaults.h"

#include <algorithm>
#include <limits>
#include <random>
#include <string>
#include <string_view>

namespace quern {
namespace {

constexpr float kTerminalTemperature = 0.8F;
constexpr int32_t kTerminalTopK = 40;
constexpr float kTerminalTopP = 0.9F;

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

SamplingParams custom_params(SamplingCustom custom) {
  SamplingParams params;
  if (custom == SamplingCustom::terminal) {
    params.temperature = kTerminalTemperature;
    params.top_k = kTerminalTopK;
    params.top_p = kTerminalTopP;
  }
  return params;
}

}  // namespace

SamplingParams sampling_defaults(const ModelCard& card, SamplingCustom custom) {
  SamplingParams params = custom_params(custom);
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

uint64_t drawn_seed() {
  return std::random_device()();
}

}  // namespace quern
