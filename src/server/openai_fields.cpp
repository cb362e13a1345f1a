#include "server/openai_fields.h"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <string_view>
#include <utility>

namespace quern::server {
namespace {

constexpr std::string_view kGrammarLater = "answers cannot be bound to a grammar yet";

constexpr auto kUnsupported = std::to_array<UnsupportedMember>({
    {"allowed_token_ids", "expected logit_bias, which favours tokens"},
    {"audio", "only text is"},
    {"bad_words", "expected logit_bias, which can ban tokens"},
    {"chat_template", "the model's own template is used"},
    {"function_call", "expected tools and tool_choice", "\"none\""},
    {"functions", "expected tools"},
    {"grammar", kGrammarLater},
    {"guided_choice", kGrammarLater},
    {"guided_decoding_backend", kGrammarLater},
    {"guided_grammar", kGrammarLater},
    {"guided_json", kGrammarLater},
    {"guided_regex", kGrammarLater},
    {"image_data", "only text is"},
    {"images", "only text is"},
    {"include_stop_str_in_output", "answers end before their stop string"},
    {"json_schema", kGrammarLater},
    {"length_penalty", "there is no beam search", "1"},
    {"logits_processors", "requests bring no code"},
    {"lora", "there are no adapters yet"},
    {"n_probs", "expected logprobs", "0"},
    {"prediction", "there is no speculation from a prediction"},
    {"prompt_embeds", "prompts are text or token ids"},
    {"prompt_logprobs", "only drawn tokens have logprobs"},
    {"samplers", "the order of the samplers is fixed"},
    {"structured_outputs", kGrammarLater},
    {"t_max_predict_ms", "expected timeout_ms", "0"},
    {"truncate_prompt_tokens", "prompts are never cut"},
    {"use_beam_search", "there is no beam search"},
});

void read_stream_options(Fields& fields, OpenAiFields& out) {
  if (const Json* options = fields.object("stream_options")) {
    Fields members(*options, fields.full_name("stream_options") + ".");
    members.boolean("include_usage", out.include_usage);
    fields.adopt(members);
  }
}

// An empty object is how OpenAI's clients ask for a search.
void read_web_search(Fields& fields) {
  constexpr std::string_view kName = "web_search_options";
  constexpr std::string_view kWhy = "there is no web search";
  const Json* options = fields.find(kName);
  if (options != nullptr && options->is_object()) {
    fields.refuse_value(kName,
                        fmt::format("{} is not supported: {}", fields.full_name(kName), kWhy));
  }
  fields.unsupported(kName, kWhy);
}

void read_modalities(Fields& fields) {
  const Json* modalities = fields.array("modalities", {0, 8});
  for (size_t i = 0; modalities != nullptr && i < modalities->size(); ++i) {
    if ((*modalities)[i] != "text") {
      fields.refuse_value("modalities",
                          R"(modalities other than "text" are not supported; expected ["text"])");
      return;
    }
  }
}

void read_response_format(Fields& fields) {
  const Json* format = fields.object("response_format");
  if (format == nullptr) {
    return;
  }
  Fields members(*format, fields.full_name("response_format") + ".");
  members.require("type");
  const Json* type = members.find("type");
  if (type != nullptr && (*type == "json_object" || *type == "json_schema")) {
    members.refuse_value("type", "response_format.type is not supported: " +
                                     std::string(kGrammarLater) + R"(; expected "text")");
  }
  std::string word;
  members.word("type", word, {"text"});
  fields.adopt(members);
}

// llama-server's name of max_tokens; -1 is as the context allows.
void read_n_predict(Fields& fields, std::optional<uint32_t>& out) {
  constexpr int64_t kMaxTokens = std::numeric_limits<int32_t>::max();
  std::optional<int64_t> n_predict;
  fields.integer("n_predict", n_predict, {-1, kMaxTokens});
  if (n_predict == 0) {
    fields.fault("n_predict", fmt::format("n_predict is 0; expected -1, or an integer from 1 to {}",
                                          kMaxTokens));
  }
  if (n_predict) {
    out = *n_predict < 0 ? 0 : static_cast<uint32_t>(*n_predict);
  }
}

// False is what they wish for; it is true that is served.
void read_skip_special(Fields& fields) {
  bool skips = true;
  fields.boolean("skip_special_tokens", skips);
  if (!skips) {
    fields.refuse_value("skip_special_tokens",
                        "skip_special_tokens is false, which is not supported: control tokens are "
                        "no part of an answer; expected true");
  }
}

}  // namespace

void check_min_tokens(Fields& fields, const OpenAiFields& out) {
  const uint32_t most = out.max_tokens.value_or(0);
  const uint32_t least = out.sampling.min_tokens.value_or(0);
  if (most != 0 && least > most) {
    fields.fault("min_tokens", fmt::format("min_tokens is {}; expected at most the answer's limit, "
                                           "which is {}",
                                           least, most));
  }
}

void read_openai_fields(Fields& fields, OpenAiFields& out) {
  constexpr int64_t kMaxTokens = std::numeric_limits<int32_t>::max();
  fields.text("model", out.model);
  fields.boolean("stream", out.stream);
  read_stream_options(fields, out);
  std::optional<uint32_t> n;
  fields.integer("n", n, {1, kMaxChoices});
  out.n = n.value_or(1);
  read_n_predict(fields, out.max_tokens);
  fields.integer("max_tokens", out.max_tokens, {1, kMaxTokens});
  read_stop(fields, "stop", out.stop);
  read_sampling(fields, out.sampling);
  read_schedule(fields, out.schedule);
  fields.text("cache_salt", out.cache_salt);
  read_modalities(fields);
  read_response_format(fields);
  read_skip_special(fields);
  read_web_search(fields);
  fields.unsupported(kUnsupported);
}

Api<GenerationSpec> make_spec(const OpenAiFields& fields, const ModelLease& lease) {
  Api<SamplingParams> sampling =
      sampling_params(fields.sampling, lease.model(), SamplingCustom::openai);
  if (!sampling) {
    return refuse(std::move(sampling.error()));
  }
  GenerationSpec spec;
  spec.sampling = std::move(*sampling);
  spec.n_choices = fields.n;
  spec.max_tokens = fields.max_tokens.value_or(0);
  spec.stop = fields.stop;
  spec.stop_tokens = fields.sampling.stop_tokens;
  spec.schedule = fields.schedule;
  spec.cache_salt = fields.cache_salt;
  return spec;
}

}  // namespace quern::server
