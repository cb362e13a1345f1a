#include <limits>
#include <optional>
#include <utility>

#include "server/openai_chat.h"

namespace quern::server {
namespace {

void read_chat_logprobs(Fields& fields, ChatCall& call) {
  fields.boolean("logprobs", call.logprobs);
  std::optional<int32_t> n_top;
  fields.integer("top_logprobs", n_top, {0, kMaxTopLogprobs});
  if (n_top && !call.logprobs) {
    fields.fault("top_logprobs", "top_logprobs needs logprobs; expected \"logprobs\": true");
  }
  if (call.logprobs) {
    call.fields.sampling.n_logprobs = n_top.value_or(0);
  }
}

}  // namespace

Api<ChatCall> read_chat_call(std::string_view body) {
  Api<Json> json = parse_object(body);
  if (!json) {
    return refuse(std::move(json.error()));
  }
  ChatCall call;
  Fields fields(*json);
  read_messages(fields, call.input);
  read_tools(fields, call.input);
  read_template_options(fields, call.input);
  read_openai_fields(fields, call.fields);
  read_chat_logprobs(fields, call);
  // The newer name of max_tokens.
  fields.integer("max_completion_tokens", call.fields.max_tokens,
                 {1, std::numeric_limits<int32_t>::max()});
  check_min_tokens(fields, call.fields);
  bool parallel = true;
  fields.boolean("parallel_tool_calls", parallel);
  call.one_tool_call = !parallel;
  if (fields.error()) {
    return refuse(*fields.error());
  }
  return call;
}

}  // namespace quern::server
