#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/openai_completions.h"

namespace quern::server {
namespace {

bool are_numbers(const Json& list) {
  return std::ranges::all_of(list, [](const Json& item) { return item.is_number(); });
}

void read_ids(Fields& fields, std::string_view name, std::vector<PromptInput>& out) {
  std::vector<TokenId> ids;
  fields.token_ids(name, ids, kAnyVocabulary);
  out.emplace_back(std::move(ids));
}

void read_prompt_list(Fields& fields, const PromptField& field, std::vector<PromptInput>& out) {
  const Json* list = fields.array(field.name, {1, field.n_most});
  for (size_t i = 0; list != nullptr && i < list->size() && !fields.error(); ++i) {
    const Json& item = (*list)[i];
    const std::string item_name = fmt::format("{}[{}]", field.name, i);
    if (item.is_string() && (*list)[0].is_string()) {
      out.emplace_back(item.get<std::string>());
    } else if (item.is_array() && (*list)[0].is_array() && !item.empty()) {
      const Json holder = {{item_name, item}};
      Fields members(holder);
      read_ids(members, item_name, out);
      fields.adopt(members);
    } else {
      fields.unexpected(item_name, item, "strings only, or lists of token ids only");
    }
  }
}

void read_completion_options(Fields& fields, CompletionCall& call) {
  fields.unsupported("suffix", "text is not filled in between");
  fields.boolean("echo", call.echo);
  fields.integer("logprobs", call.logprobs, {0, kMaxTopLogprobs});
  call.fields.sampling.n_logprobs = call.logprobs.value_or(-1);
  if (call.echo && call.logprobs) {
    fields.refuse_value("echo",
                        "echo with logprobs is not supported: only drawn tokens have logprobs");
  }
  std::optional<uint32_t> best_of;
  fields.integer("best_of", best_of, {1, kMaxBestOf});
  call.best_of = best_of.value_or(call.fields.n);
  if (call.best_of < call.fields.n) {
    fields.fault("best_of", fmt::format("best_of is {}; expected at least n, which is {}",
                                        call.best_of, call.fields.n));
  }
  if (call.best_of > call.fields.n && call.fields.stream) {
    fields.fault("best_of", "best_of cannot be streamed; expected \"stream\": false");
  }
  if (call.best_of > call.fields.n && !call.logprobs) {
    call.fields.sampling.n_logprobs = 0;  // to rank the answers by
  }
}

}  // namespace

void read_prompts(Fields& fields, const PromptField& field, std::vector<PromptInput>& out) {
  fields.require(field.name);
  const Json* json = fields.find(field.name);
  if (json == nullptr) {
    return;
  }
  if (json->is_string()) {
    out.emplace_back(json->get<std::string>());
  } else if (json->is_array() && !json->empty() && are_numbers(*json)) {
    read_ids(fields, field.name, out);
  } else if (json->is_array()) {
    read_prompt_list(fields, field, out);
  } else {
    fields.unexpected(field.name, *json, "a string, token ids, or a list of those");
  }
}

Api<CompletionCall> read_completion_call(std::string_view body) {
  Api<Json> json = parse_object(body);
  if (!json) {
    return refuse(std::move(json.error()));
  }
  CompletionCall call;
  Fields fields(*json);
  read_prompts(fields, {.name = "prompt"}, call.prompts);
  read_openai_fields(fields, call.fields);
  read_completion_options(fields, call);
  if (!call.fields.max_tokens) {
    call.fields.max_tokens = kDefaultCompletionTokens;
  }
  check_min_tokens(fields, call.fields);
  if (call.prompts.size() * call.best_of > static_cast<size_t>(kMaxChoices)) {
    fields.fault("n", fmt::format("{} prompts with {} answers each; expected at most {} in all",
                                  call.prompts.size(), call.best_of, kMaxChoices));
  }
  if (fields.error()) {
    return refuse(*fields.error());
  }
  return call;
}

}  // namespace quern::server
