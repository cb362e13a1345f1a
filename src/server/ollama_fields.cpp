#include "server/ollama_fields.h"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <string_view>
#include <utility>

#include "server/chat_start.h"
#include "server/ollama_time.h"

namespace quern::server {
namespace {

constexpr int64_t kMaxInt = std::numeric_limits<int32_t>::max();
constexpr int32_t kMaxTopLogprobs = 20;  // Ollama's own bound
constexpr double kMaxTemperature = 100;

constexpr auto kUnsupported = std::to_array<UnsupportedMember>({
    {"format", "answers cannot be bound to a grammar yet"},
    {"images", "only text is"},
    {"suffix", "there is no filling in between texts yet"},
    {"template", "the model's own template is used"},
    {"width", "images cannot be made"},
    {"height", "images cannot be made"},
    {"steps", "images cannot be made"},
});

// Tail-free sampling, which Ollama has given up; 1 is off.
void read_tail_free(Fields& options) {
  const Json* value = options.find("tfs_z");
  if (value != nullptr && !(value->is_number() && value->get<double>() == 1.0)) {
    options.refuse_value(
        "tfs_z", options.full_name("tfs_z") + " is not supported; expected 1, which turns it off");
  }
}

void read_sampling_options(Fields& options, SamplingFields& out) {
  options.real("temperature", out.temperature, {0, kMaxTemperature});
  options.integer("top_k", out.top_k, {-1, kMaxInt});
  options.real("top_p", out.top_p, {0, 1});
  options.real("min_p", out.min_p, {0, 1});
  options.real("typical_p", out.typical_p, {0.001, 1});
  read_repeat(options, out);
  options.real("presence_penalty", out.presence_penalty, {-2, 2});
  options.real("frequency_penalty", out.frequency_penalty, {-2, 2});
  options.integer("seed", out.seed,
                  {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()});
  read_mirostat(options, out);
  read_tail_free(options);
}

void read_options(Fields& fields, OllamaFields& out) {
  const Json* json = fields.object("options");
  if (json == nullptr) {
    return;
  }
  Fields options(*json, fields.full_name("options") + ".");
  read_sampling_options(options, out.sampling);
  read_stop(options, "stop", out.stop);
  options.integer("num_ctx", out.n_context, {1, kMaxInt});
  // -1 is without limit, -2 fills the context, and 0 is no limit either: all of them mean the same.
  int64_t n_predict = 0;
  options.integer("num_predict", n_predict, {-2, kMaxInt});
  out.max_tokens = n_predict > 0 ? static_cast<uint32_t>(n_predict) : 0;
  fields.adopt(options);
}

void read_ollama_logprobs(Fields& fields, OllamaFields& out) {
  fields.boolean("logprobs", out.logprobs);
  std::optional<int32_t> n_top;
  fields.integer("top_logprobs", n_top, {0, kMaxTopLogprobs});
  if (out.logprobs) {
    out.sampling.n_logprobs = n_top.value_or(0);
  }
}

}  // namespace

void read_ollama_model(Fields& fields, std::string& out) {
  fields.text("name", out);
  fields.text("model", out);
}

void read_keep_alive(Fields& fields, std::optional<int64_t>& out_ms) {
  const Json* value = fields.find("keep_alive");
  if (value == nullptr) {
    return;
  }
  if (value->is_number()) {
    out_ms = keep_alive_ms_of(value->get<double>());
    return;
  }
  if (value->is_string()) {
    const auto& text = value->get_ref<const std::string&>();
    if (text.empty()) {
      return;
    }
    out_ms = parse_keep_alive_ms(text);
  }
  if (!out_ms) {
    fields.unexpected("keep_alive", *value, R"(seconds, or a duration like "5m" or "1h30m")");
  }
}

void read_think(Fields& fields, ChatInput& input) {
  const Json* value = fields.find("think");
  if (value == nullptr) {
    return;
  }
  if (value->is_boolean()) {
    ask_thinking(input, "think", value->get<bool>());
    return;
  }
  std::string effort;
  fields.word("think", effort, {"low", "medium", "high"});
  if (!effort.empty()) {
    ask_effort(input, "think", effort);
  }
}

void read_ollama_fields(Fields& fields, OllamaFields& out) {
  read_ollama_model(fields, out.model);
  fields.boolean("stream", out.stream);
  read_options(fields, out);
  read_ollama_logprobs(fields, out);
  read_keep_alive(fields, out.keep_alive_ms);
  read_schedule(fields, out.schedule);
  fields.text("cache_salt", out.cache_salt);
  fields.unsupported(kUnsupported);
}

Api<GenerationSpec> make_ollama_spec(const OllamaFields& fields, const ModelLease& lease) {
  const uint32_t max_context = lease.engine().max_context();
  if (fields.n_context && *fields.n_context > max_context) {
    return refuse(bad_field(
        "options.num_ctx",
        fmt::format("options.num_ctx is {}, and this server's context for the model holds {}; "
                    "expected at most that (`quern serve --ctx` sets it)",
                    *fields.n_context, max_context)));
  }
  Api<SamplingParams> sampling =
      sampling_params(fields.sampling, lease.model(), SamplingCustom::terminal);
  if (!sampling) {
    return refuse(std::move(sampling.error()));
  }
  GenerationSpec spec;
  spec.sampling = std::move(*sampling);
  spec.max_tokens = fields.max_tokens;
  spec.stop = fields.stop;
  spec.schedule = fields.schedule;
  spec.cache_salt = fields.cache_salt;
  return spec;
}

ApiError ollama_error(ApiError error, const std::string& model) {
  if (error.code == "model_not_found") {
    error.message = fmt::format("model '{}' not found", model);
  }
  return error;
}

}  // namespace quern::server
