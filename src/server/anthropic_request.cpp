#include <array>
#include <limits>
#include <utility>

#include "server/anthropic.h"

namespace quern::server {
namespace {

constexpr auto kUnsupported = std::to_array<UnsupportedMember>({
    {"container", "there are no containers"},
    {"context_management", "nothing is left out of a prompt"},
    {"images", "only text is"},
    {"mcp_servers", "requests reach no other servers"},
    {"output_format", "answers cannot be bound to a grammar yet"},
});

// The budget is a client's hint to models that keep to one; these cannot be told.
void read_thinking(Fields& fields, ChatPlan& plan) {
  const Json* thinking = fields.object("thinking");
  if (thinking == nullptr) {
    return;
  }
  Fields members(*thinking, fields.full_name("thinking") + ".");
  std::string type;
  members.require("type");
  members.word("type", type, {"enabled", "disabled", "adaptive"});
  std::optional<uint32_t> budget;
  members.integer("budget_tokens", budget, {1, std::numeric_limits<int32_t>::max()});
  fields.adopt(members);
  if (type == "enabled" || type == "disabled") {
    ask_thinking(plan.input, "thinking", type == "enabled");
  }
}

void read_output_config(Fields& fields, ChatPlan& plan) {
  const Json* config = fields.object("output_config");
  if (config == nullptr) {
    return;
  }
  Fields members(*config, fields.full_name("output_config") + ".");
  members.unsupported("format", "answers cannot be bound to a grammar yet");
  std::string effort;
  members.word("effort", effort, {"low", "medium", "high", "xhigh", "max"});
  fields.adopt(members);
  if (!effort.empty()) {
    ask_effort(plan.input, members.full_name("effort"), effort);
  }
}

void read_draw(Fields& fields, OpenAiFields& out) {
  fields.real("temperature", out.sampling.temperature, {0, 1});
  read_sampling(fields, out.sampling);
  read_stop(fields, "stop_sequences", out.stop);
  read_schedule(fields, out.schedule);
  fields.text("cache_salt", out.cache_salt);
}

}  // namespace

Api<MessagesCall> read_messages_call(std::string_view body, MessagesUse use) {
  Api<Json> json = parse_object(body);
  if (!json) {
    return refuse(std::move(json.error()));
  }
  MessagesCall call;
  Fields fields(*json);
  OpenAiFields& out = call.plan.fields;
  fields.text("model", out.model);
  read_anthropic_input(fields, call);
  read_output_config(fields, call.plan);
  read_thinking(fields, call.plan);
  read_schedule(fields, out.schedule);
  if (use == MessagesUse::answer) {
    fields.require("max_tokens");
    fields.integer("max_tokens", out.max_tokens, {1, std::numeric_limits<int32_t>::max()});
    fields.boolean("stream", out.stream);
    read_draw(fields, out);
    check_min_tokens(fields, out);
  }
  fields.unsupported(kUnsupported);
  if (fields.error()) {
    return refuse(*fields.error());
  }
  return call;
}

}  // namespace quern::server
