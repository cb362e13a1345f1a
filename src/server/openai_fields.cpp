#include "server/openai_fields.h"

#include <array>
#include <limits>
#include <string_view>
#include <utility>

namespace quern::server {
namespace {

constexpr std::string_view kGrammarLater = "answers cannot be bound to a grammar yet";

constexpr std::array<UnsupportedMember, 22> kUnsupported = {{
    {"audio", "only text is"},
    {"chat_template", "the model's own template is used"},
    {"function_call", "expected tools and tool_choice"},
    {"functions", "expected tools"},
    {"grammar", kGrammarLater},
    {"guided_choice", kGrammarLater},
    {"guided_decoding_backend", kGrammarLater},
    {"guided_grammar", kGrammarLater},
    {"guided_json", kGrammarLater},
    {"guided_regex", kGrammarLater},
    {"image_data", "only text is"},
    {"images", "only text is"},
    {"json_schema", kGrammarLater},
    {"length_penalty", "there is no beam search"},
    {"logits_processors", "requests bring no code"},
    {"lora", "there are no adapters yet"},
    {"prediction", "there is no speculation from a prediction"},
    {"prompt_logprobs", "only drawn tokens have logprobs"},
    {"structured_outputs", kGrammarLater},
    {"truncate_prompt_tokens", "prompts are never cut"},
    {"use_beam_search", "there is no beam search"},
    {"web_search_options", "there is no web search"},
}};

void read_stream_options(Fields& fields, OpenAiFields& out) {
  if (const Json* options = fields.object("stream_options")) {
    Fields members(*options, fields.full_name("stream_options") + ".");
    members.boolean("include_usage", out.include_usage);
    fields.adopt(members);
  }
}

void read_modalities(Fields& fields) {
  const Json* modalities = fields.array("modalities", {0, 8});
  for (size_t i = 0; modalities != nullptr && i < modalities->size(); ++i) {
    if ((*modalities)[i] != "text") {
      fields.fault("modalities",
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
    members.fault("type", "response_format.type is not supported: " + std::string(kGrammarLater) +
                              R"(; expected "text")");
  }
  std::string word;
  members.word("type", word, {"text"});
  fields.adopt(members);
}

}  // namespace

void read_openai_fields(Fields& fields, OpenAiFields& out) {
  constexpr int64_t kMaxTokens = std::numeric_limits<int32_t>::max();
  fields.text("model", out.model);
  fields.boolean("stream", out.stream);
  read_stream_options(fields, out);
  std::optional<uint32_t> n;
  fields.integer("n", n, {1, kMaxChoices});
  out.n = n.value_or(1);
  fields.integer("max_tokens", out.max_tokens, {1, kMaxTokens});
  read_stop(fields, "stop", out.stop);
  read_sampling(fields, out.sampling);
  read_schedule(fields, out.schedule);
  fields.text("cache_salt", out.cache_salt);
  read_modalities(fields);
  read_response_format(fields);
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
