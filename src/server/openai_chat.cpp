#include "server/openai_chat.h"

#include <utility>

#include "server/generation_group.h"
#include "server/reply.h"
#include "server/request_id.h"
#include "server/request_work.h"

namespace quern::server {
namespace {

ChatAnswerOptions answer_options(const ChatCall& call, const ModelLease& lease) {
  return {.head = {.id = "chatcmpl-" + fresh_request_id(),
                   .created = unix_seconds(),
                   .model = lease.name(),
                   .seed = static_cast<uint64_t>(call.fields.sampling.seed.value_or(0))},
          .logprobs = call.logprobs,
          .include_usage = call.fields.include_usage,
          .one_tool_call = call.one_tool_call};
}

Task stream_chat(const ChatCall& call, GenerationGroup& group) {
  const ModelLease& lease = group[0].lease();
  const TokenTexts texts{.tokenizer = lease.model().tokenizer(),
                         .stop_tokens = call.fields.sampling.stop_tokens};
  ChatStream stream(answer_options(call, lease), call.fields.n, texts);
  EventWriter writer;
  writer.add = [&stream](size_t, const GenerationEvent& event) { return stream.add(event); };
  writer.end = [&stream] { return stream.end(); };
  co_await stream_events(group, writer);
}

Task send_chat(Exchange& exchange, const ChatCall& call, Generation& generation) {
  const CollectOptions options{.n_choices = call.fields.n,
                               .keep_tokens = call.logprobs,
                               .one_tool_call = call.one_tool_call};
  Api<std::vector<ChoiceAnswer>> choices = co_await collect_answers(generation, options);
  if (!choices) {
    co_await send_error(exchange, std::move(choices.error()), Dialect::openai);
    co_return;
  }
  const TokenTexts texts{.tokenizer = generation.lease().model().tokenizer(),
                         .stop_tokens = call.fields.sampling.stop_tokens};
  Json body = chat_answer(answer_options(call, generation.lease()), *choices, texts);
  co_await send_json(exchange, std::move(body));
}

}  // namespace

Task chat_completions(Exchange& exchange, ServerContext& context) {
  Api<ChatCall> call = co_await read_body(exchange, context, read_chat_call);
  if (!call) {
    co_await send_error(exchange, std::move(call.error()), Dialect::openai);
    co_return;
  }
  Api<std::unique_ptr<Generation>> generation = co_await start_chat_plan(exchange, context, *call);
  if (!generation) {
    co_await send_error(exchange, std::move(generation.error()), Dialect::openai);
    co_return;
  }
  GenerationGroup group(exchange);
  group.add(std::move(*generation));
  if (call->fields.stream) {
    co_await stream_chat(*call, group);
  } else {
    co_await send_chat(exchange, *call, group[0]);
  }
}

}  // namespace quern::server
