#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "server/responses.h"

namespace quern::server {
namespace {

constexpr auto kUnsupported = std::to_array<UnsupportedMember>({
    {"background", "responses are made while the client waits"},
    {"context_management", "nothing is left out of a prompt"},
    {"conversation", "expected previous_response_id"},
    {"max_tool_calls", "there are no built-in tools"},
    {"moderation", "there is no moderation"},
    {"prompt", "there are no stored prompts"},
});

void read_metadata(Fields& fields, Json& echo) {
  constexpr size_t kMaxPairs = 16;
  constexpr size_t kMaxKeyChars = 64;
  constexpr size_t kMaxValueChars = 512;
  echo["metadata"] = Json::object();
  const Json* metadata = fields.object("metadata");
  if (metadata == nullptr) {
    return;
  }
  bool is_fine = metadata->size() <= kMaxPairs;
  for (const auto& [key, value] : metadata->items()) {
    is_fine = is_fine && n_characters(key) <= kMaxKeyChars && value.is_string() &&
              n_characters(value.get_ref<const std::string&>()) <= kMaxValueChars;
  }
  if (!is_fine) {
    fields.fault("metadata", fmt::format("metadata does not fit; expected at most {} strings of at "
                                         "most {} characters, under names of at most {}",
                                         kMaxPairs, kMaxValueChars, kMaxKeyChars));
    return;
  }
  echo["metadata"] = *metadata;
}

void read_text_format(Fields& fields) {
  constexpr std::string_view kNoGrammar = "answers cannot be bound to a grammar yet";
  const Json* text = fields.object("text");
  if (text == nullptr) {
    return;
  }
  Fields members(*text, fields.full_name("text") + ".");
  if (const Json* format = members.object("format")) {
    Fields inner(*format, members.full_name("format") + ".");
    inner.require("type");
    const Json* type = inner.find("type");
    if (type != nullptr && (*type == "json_object" || *type == "json_schema")) {
      inner.refuse_value("type", fmt::format(R"({} is not supported: {}; expected "text")",
                                             inner.full_name("type"), kNoGrammar));
    }
    std::string word;
    inner.word("type", word, {"text"});
    members.adopt(inner);
  }
  std::string verbosity;
  members.word("verbosity", verbosity, {"medium"});
  fields.adopt(members);
}

void read_reasoning(Fields& fields, ResponsesCall& call) {
  call.echo["reasoning"] = {{"effort", nullptr}, {"summary", nullptr}};
  const Json* reasoning = fields.object("reasoning");
  if (reasoning == nullptr) {
    return;
  }
  Fields members(*reasoning, fields.full_name("reasoning") + ".");
  std::string effort;
  std::string summary;
  members.word("effort", effort, {"none", "minimal", "low", "medium", "high", "xhigh"});
  members.word("generate_summary", summary, {"auto", "concise", "detailed"});
  members.word("summary", summary, {"auto", "concise", "detailed"});
  fields.adopt(members);
  if (effort.empty()) {
    return;
  }
  call.echo["reasoning"]["effort"] = effort;
  ask_effort(call.plan.input, members.full_name("effort"), effort);
}

// What else an answer may hold. Reasoning is never sealed, so there is nothing to add for that.
void read_include(Fields& fields) {
  const Json* include = fields.array("include", {0, 32});
  for (size_t i = 0; include != nullptr && i < include->size(); ++i) {
    if ((*include)[i] != "reasoning.encrypted_content") {
      fields.refuse_value(fmt::format("include[{}]", i),
                          fmt::format("include[{}] is not supported; expected nothing but "
                                      "\"reasoning.encrypted_content\"",
                                      i));
    }
  }
}

void read_rest(Fields& fields) {
  const Json* truncation = fields.find("truncation");
  if (truncation != nullptr && *truncation == "auto") {
    fields.refuse_value("truncation",
                        R"(truncation "auto" is not supported: prompts are never cut; expected )"
                        R"("disabled")");
  }
  std::string word;
  fields.word("truncation", word, {"disabled"});
  std::optional<int32_t> n_top;
  fields.integer("top_logprobs", n_top, {0, 0});
  fields.unsupported(kUnsupported);
}

}  // namespace

Api<ResponsesCall> read_responses_call(const Json& body, const Json& earlier) {
  ResponsesCall call;
  Fields fields(body);
  OpenAiFields& out = call.plan.fields;
  call.plan.input.field = "input";
  fields.text("model", out.model);
  fields.boolean("stream", out.stream);
  fields.boolean("store", call.store);
  fields.integer("max_output_tokens", out.max_tokens, {1, std::numeric_limits<int32_t>::max()});
  read_sampling(fields, out.sampling);
  check_min_tokens(fields, out);
  read_schedule(fields, out.schedule);
  fields.text("cache_salt", out.cache_salt);
  std::string previous;
  fields.text("previous_response_id", previous);
  call.echo["previous_response_id"] = previous.empty() ? Json() : Json(previous);
  read_response_input(fields, earlier, call);
  read_response_tools(fields, call);
  read_reasoning(fields, call);
  read_metadata(fields, call.echo);
  read_text_format(fields);
  read_include(fields);
  read_rest(fields);
  if (fields.error()) {
    return refuse(*fields.error());
  }
  return call;
}

}  // namespace quern::server
