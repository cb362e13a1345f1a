#include "server/ollama_generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/system_info.h"
#include "engine/model_names.h"
#include "server/chat_prompt.h"
#include "server/generation_group.h"
#include "server/ollama_answer.h"
#include "server/ollama_call.h"
#include "server/reply.h"
#include "server/request_deadlines.h"
#include "server/request_work.h"
#include "server/servable_models.h"

namespace quern::server {
namespace {

struct Started {
  std::unique_ptr<Generation> generation;
  OllamaAnswerOptions options;
};

std::string line(const Json& json) {
  return dump(json) + "\n";
}

OllamaAnswerOptions answer_options(const Exchange& exchange, const OllamaCall& call,
                                   std::string model) {
  return {.model = std::move(model),
          .is_chat = call.is_chat,
          .logprobs = call.fields.logprobs,
          .arrival_us = arrival_of(exchange)};
}

// The tokens of an earlier answer come first; then the new prompt must not begin a text again.
void put_context_first(const OllamaCall& call, const Tokenizer& tokenizer,
                       std::vector<TokenId>& prompt) {
  if (call.context.empty()) {
    return;
  }
  const bool begins = !prompt.empty() && prompt.front() == tokenizer.special().bos;
  prompt.erase(prompt.begin(), prompt.begin() + (begins ? 1 : 0));
  prompt.insert(prompt.begin(), call.context.begin(), call.context.end());
}

std::optional<ApiError> context_error(const OllamaCall& call, const ModelLease& lease) {
  const Tokenizer& tokenizer = lease.model().tokenizer();
  const uint32_t max_context = lease.engine().max_context();
  if (call.context.size() >= max_context) {
    return context_exceeded({.field = "context", .n_tokens = call.context.size(), .is_least = true},
                            max_context);
  }
  const std::optional<TokenId> unknown = first_unknown(call.context, tokenizer);
  if (!unknown) {
    return std::nullopt;
  }
  return bad_field("context", fmt::format("context names token {}; expected an id below {}",
                                          value(*unknown), tokenizer.vocab_size()));
}

boost::asio::awaitable<Api<ChatTokens>> raw_tokens(ServerContext& context, const ModelLease& lease,
                                                   std::string text) {
  Api<std::vector<TokenId>> tokens = co_await text_tokens(context, lease, std::move(text));
  if (!tokens) {
    co_return refuse(std::move(tokens.error()));
  }
  ChatTokens chat;
  chat.tokens = std::move(*tokens);
  co_return chat;
}

boost::asio::awaitable<Api<ChatTokens>> prompt_of(ServerContext& context, const ModelLease& lease,
                                                  OllamaCall& call) {
  // A model made for a template answers badly without it: only raw may leave out a broken one.
  const LoadedModel& model = lease.model();
  const bool has_none = model.chat_template() == nullptr && model.template_error() == nullptr;
  const bool is_text = !call.is_chat && (call.is_raw || has_none);
  if (is_text && !call.input.reasoning_field.empty()) {
    co_return refuse(no_thinking(call.input.reasoning_field, lease.name()));
  }
  if (is_text) {
    if (auto error = cannot_fit(lease, "prompt", call.text.size())) {
      co_return refuse(std::move(*error));
    }
    Api<ChatTokens> tokens = co_await raw_tokens(context, lease, std::move(call.text));
    co_return tokens;
  }
  call.input.must_fit = true;
  Api<ChatTokens> tokens = co_await chat_tokens(context, lease, std::move(call.input));
  co_return tokens;
}

Api<GenerationSpec> make_call_spec(const OllamaCall& call, const ModelLease& lease,
                                   ChatTokens chat) {
  Api<GenerationSpec> spec = make_ollama_spec(call.fields, lease);
  if (!spec) {
    return spec;
  }
  const Tokenizer& tokenizer = lease.model().tokenizer();
  if (auto error = context_error(call, lease)) {
    return refuse(std::move(*error));
  }
  spec->prompt = std::move(chat.tokens);
  spec->prompt_field = call.is_chat ? "messages" : "prompt";
  put_context_first(call, tokenizer, spec->prompt);
  spec->format = std::move(chat.format);
  return spec;
}

boost::asio::awaitable<Api<ModelLease>> lease_of(Exchange& exchange, ServerContext& context,
                                                 const OllamaFields& fields) {
  ModelWish wish(fields.model, fields.schedule);
  Api<ModelLease> lease = co_await acquire_model(exchange, context, std::move(wish));
  if (lease && fields.keep_alive_ms) {
    context.models.set_keep_alive(lease->name(), *fields.keep_alive_ms);
  }
  co_return lease;
}

boost::asio::awaitable<Api<Started>> start(Exchange& exchange, ServerContext& context,
                                           OllamaCall& call) {
  Api<ModelLease> lease = co_await lease_of(exchange, context, call.fields);
  if (!lease) {
    co_return refuse(std::move(lease.error()));
  }
  Started started;
  started.options = answer_options(exchange, call, lease->name());
  started.options.load_us = std::max<int64_t>(monotonic_us() - started.options.arrival_us, 0);
  Api<ChatTokens> chat = co_await prompt_of(context, *lease, call);
  if (!chat) {
    co_return refuse(std::move(chat.error()));
  }
  Api<GenerationSpec> spec = make_call_spec(call, *lease, std::move(*chat));
  if (!spec) {
    co_return refuse(std::move(spec.error()));
  }
  started.options.seed = spec->sampling.seed;
  if (!call.is_chat && !call.is_raw) {
    started.options.context = spec->prompt;
  }
  Api<std::unique_ptr<Generation>> generation =
      Generation::start(exchange, context, {std::move(*lease), std::move(*spec)});
  if (!generation) {
    co_return refuse(std::move(generation.error()));
  }
  started.generation = std::move(*generation);
  co_return started;
}

Task stream_answer(GenerationGroup& group, OllamaAnswer& answer) {
  EventWriter writer;
  writer.dialect = Dialect::ollama;
  writer.content_type = "application/x-ndjson";
  writer.add = [&answer](size_t, const GenerationEvent& event) {
    answer.add(event);
    return answer.has_piece() ? line(answer.take()) : std::string();
  };
  writer.end = [&answer] { return line(answer.end(monotonic_us())); };
  writer.error = [](const ApiError& error) { return error_body(error, Dialect::ollama) + "\n"; };
  co_await stream_events(group, writer);
}

Task send_answer(Exchange& exchange, Generation& generation, OllamaAnswer& answer) {
  while (true) {
    const std::optional<GenerationEvent> event = co_await generation.next();
    if (!event) {
      break;
    }
    if (auto error = finish_error(*event, generation.lease())) {
      co_await send_error(exchange, std::move(*error), Dialect::ollama);
      co_return;
    }
    answer.add(*event);
  }
  Json body = answer.end(monotonic_us());
  co_await send_json(exchange, std::move(body));
}

Task answer_call(Exchange& exchange, ServerContext& context, OllamaCall& call) {
  Api<Started> started = co_await start(exchange, context, call);
  if (!started) {
    ApiError error = ollama_error(std::move(started.error()), call.fields.model);
    co_await send_error(exchange, std::move(error), Dialect::ollama);
    co_return;
  }
  GenerationGroup group(exchange);
  group.add(std::move(started->generation));
  const TokenTexts texts{.tokenizer = group[0].lease().model().tokenizer(),
                         .stop_tokens = call.fields.sampling.stop_tokens};
  OllamaAnswer answer(std::move(started->options), texts);
  if (call.fields.stream) {
    co_await stream_answer(group, answer);
  } else {
    co_await send_answer(exchange, group[0], answer);
  }
}

// The model's name as the list writes it, without loading it.
boost::asio::awaitable<Api<std::string>> known_name(ServerContext& context, std::string name) {
  if (name.empty()) {
    name = co_await default_model(context);
  }
  const std::vector<FoundModel> found = context.models.list();
  const FoundModel* const model = find_named(found, name);
  if (model == nullptr) {
    ApiError error{.status = 404, .code = "model_not_found", .param = "model", .message = {}};
    co_return refuse(std::move(error));
  }
  co_return model->name;
}

// Without anything to answer: the model is loaded, or with keep_alive 0 unloaded.
boost::asio::awaitable<Api<Json>> load_or_unload(Exchange& exchange, ServerContext& context,
                                                 OllamaCall& call) {
  if (call.fields.keep_alive_ms == 0) {
    std::string wanted = call.fields.model;
    const Api<std::string> name = co_await known_name(context, std::move(wanted));
    if (!name) {
      co_return refuse(name.error());
    }
    context.models.unload(*name);
    co_return ollama_empty_answer(answer_options(exchange, call, *name), "unload");
  }
  const Api<ModelLease> lease = co_await lease_of(exchange, context, call.fields);
  if (!lease) {
    co_return refuse(lease.error());
  }
  co_return ollama_empty_answer(answer_options(exchange, call, lease->name()), "load");
}

Task handle(Exchange& exchange, ServerContext& context, Api<OllamaCall> call) {
  if (!call) {
    co_await send_error(exchange, std::move(call.error()), Dialect::ollama);
    co_return;
  }
  if (!call->only_loads) {
    co_await answer_call(exchange, context, *call);
    co_return;
  }
  Api<Json> body = co_await load_or_unload(exchange, context, *call);
  if (!body) {
    ApiError error = ollama_error(std::move(body.error()), call->fields.model);
    co_await send_error(exchange, std::move(error), Dialect::ollama);
    co_return;
  }
  co_await send_json(exchange, std::move(*body));
}

}  // namespace

Task ollama_generate(Exchange& exchange, ServerContext& context) {
  Api<OllamaCall> call = co_await read_body(exchange, context, read_generate_call);
  co_await handle(exchange, context, std::move(call));
}

Task ollama_chat(Exchange& exchange, ServerContext& context) {
  Api<OllamaCall> call = co_await read_body(exchange, context, read_ollama_chat_call);
  co_await handle(exchange, context, std::move(call));
}

}  // namespace quern::server
