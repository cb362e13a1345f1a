#include "server/openai_completions.h"

#include <fmt/format.h>

#include <utility>

#include "engine/plain_prompt.h"
#include "server/chat_prompt.h"
#include "server/generation_group.h"
#include "server/reply.h"
#include "server/request_id.h"
#include "server/request_work.h"

namespace quern::server {
namespace {

struct Prompts {
  std::vector<std::vector<TokenId>> tokens;
  std::vector<std::string> texts;  // with echo
};

// Below, encoding takes less time than handing it to another thread and back.
constexpr size_t kOffloadBytes = size_t{16} << 10;

size_t n_bytes_of(const PromptInput& input) {
  const auto* text = std::get_if<std::string>(&input);
  return text != nullptr ? text->size()
                         : std::get<std::vector<TokenId>>(input).size() * sizeof(TokenId);
}

Api<std::vector<TokenId>> tokens_of(const LoadedModel& model, PromptInput& input) {
  if (const auto* text = std::get_if<std::string>(&input)) {
    Result<std::vector<TokenId>> tokens = raw_prompt(model, *text);
    if (!tokens) {
      return refuse(from_error(tokens.error()));
    }
    return std::move(*tokens);
  }
  auto& ids = std::get<std::vector<TokenId>>(input);
  const Tokenizer& tokenizer = model.tokenizer();
  if (const std::optional<TokenId> unknown = first_unknown(ids, tokenizer)) {
    std::string message = fmt::format("the prompt has token {}; expected ids below {}",
                                      value(*unknown), tokenizer.vocab_size());
    return refuse(bad_field("prompt", std::move(message)));
  }
  return std::move(ids);
}

Api<PromptTokens> tokens_of_all(const LoadedModel& model, std::vector<PromptInput>& inputs) {
  PromptTokens all;
  for (PromptInput& input : inputs) {
    Api<std::vector<TokenId>> tokens = tokens_of(model, input);
    if (!tokens) {
      return refuse(std::move(tokens.error()));
    }
    all.push_back(std::move(*tokens));
  }
  return all;
}

// Before anything is made or copied of a prompt that is too long.
std::optional<ApiError> length_error(const ModelLease& lease,
                                     const std::vector<PromptInput>& inputs) {
  const uint32_t max_context = lease.engine().max_context();
  for (const PromptInput& input : inputs) {
    const auto* text = std::get_if<std::string>(&input);
    if (text != nullptr) {
      if (auto error = cannot_fit(lease, "prompt", text->size())) {
        return error;
      }
      continue;
    }
    const size_t n_tokens = std::get<std::vector<TokenId>>(input).size();
    if (n_tokens >= max_context) {
      return context_exceeded({.field = "prompt", .n_tokens = n_tokens}, max_context);
    }
  }
  return std::nullopt;
}

boost::asio::awaitable<Api<Prompts>> make_prompts(ServerContext& context, const ModelLease& lease,
                                                  CompletionCall& call) {
  if (auto error = length_error(lease, call.prompts)) {
    co_return refuse(std::move(*error));
  }
  std::vector<std::optional<std::string>> texts;
  for (const PromptInput& input : call.prompts) {
    const auto* text = std::get_if<std::string>(&input);
    if (call.echo) {
      texts.push_back(text != nullptr ? std::optional(*text) : std::nullopt);
    }
  }
  Api<PromptTokens> tokens = co_await prompt_tokens(context, lease, std::move(call.prompts));
  if (!tokens) {
    co_return refuse(std::move(tokens.error()));
  }
  Prompts prompts;
  prompts.tokens = std::move(*tokens);
  for (size_t i = 0; i < texts.size(); ++i) {
    prompts.texts.push_back(texts[i] ? std::move(*texts[i])
                                     : lease.model().tokenizer().decode(prompts.tokens[i], {}));
  }
  co_return prompts;
}

// What all prompts of a request share.
struct CompletionPlan {
  ModelLease lease;  // keeps the model until every prompt has a lease of its own
  GenerationSpec spec;
  Prompts prompts;
};

boost::asio::awaitable<Api<CompletionPlan>> plan_completions(Exchange& exchange,
                                                             ServerContext& context,
                                                             CompletionCall& call) {
  ModelWish wish(call.fields.model, call.fields.schedule);
  Api<ModelLease> lease = co_await acquire_model(exchange, context, std::move(wish));
  if (!lease) {
    co_return refuse(std::move(lease.error()));
  }
  Api<GenerationSpec> spec = make_spec(call.fields, *lease);
  if (!spec) {
    co_return refuse(std::move(spec.error()));
  }
  spec->n_choices = call.best_of;
  spec->prompt_field = "prompt";
  Api<Prompts> prompts = co_await make_prompts(context, *lease, call);
  if (!prompts) {
    co_return refuse(std::move(prompts.error()));
  }
  CompletionPlan plan{
      .lease = std::move(*lease), .spec = std::move(*spec), .prompts = std::move(*prompts)};
  co_return plan;
}

// More prompts than even an empty queue takes would be turned away by chance.
std::optional<ApiError> crowd_error(const PromptCrowd& crowd,
                                    const EngineThread::QueueLimits& limits) {
  if (crowd.n_prompts == 1 ||
      (crowd.n_prompts <= limits.n_requests && crowd.n_tokens <= limits.n_tokens)) {
    return std::nullopt;
  }
  return bad_field(
      "prompt", fmt::format("prompt is a list of {} with {} tokens, and this server's queue takes "
                            "{} with {}; expected fewer at a time",
                            crowd.n_prompts, crowd.n_tokens, limits.n_requests, limits.n_tokens));
}

Api<void> start_completions(ServerContext& context, CompletionPlan& plan, GenerationGroup& group) {
  Exchange& exchange = group.exchange();
  PromptCrowd crowd{.n_prompts = static_cast<uint32_t>(plan.prompts.tokens.size())};
  for (const std::vector<TokenId>& prompt : plan.prompts.tokens) {
    crowd.n_tokens += prompt.size();
  }
  if (auto error = crowd_error(crowd, plan.lease.engine().queue_limits())) {
    return refuse(std::move(*error));
  }
  plan.spec.crowd = crowd;
  for (std::vector<TokenId>& prompt : plan.prompts.tokens) {
    GenerationSpec spec = plan.spec;
    spec.prompt = std::move(prompt);
    Api<std::unique_ptr<Generation>> generation =
        Generation::start(exchange, context, {plan.lease.share(), std::move(spec)});
    if (!generation) {
      return refuse(std::move(generation.error()));
    }
    group.add(std::move(*generation));
  }
  return {};
}

CompletionAnswerOptions completion_options(const CompletionCall& call, CompletionPlan& plan) {
  return {.head = {.id = "cmpl-" + fresh_request_id(),
                   .created = unix_seconds(),
                   .model = plan.lease.name(),
                   .seed = plan.spec.sampling.seed},
          .logprobs = call.logprobs.has_value(),
          .include_usage = call.fields.include_usage,
          .n = call.fields.n,
          .echo = std::move(plan.prompts.texts)};
}

Task stream_completions(CompletionAnswerOptions options, GenerationGroup& group,
                        const TokenTexts& texts) {
  CompletionStream stream(std::move(options), group.size(), texts);
  EventWriter writer;
  writer.add = [&stream](size_t i, const GenerationEvent& event) { return stream.add(i, event); };
  writer.end = [&stream] { return stream.end(); };
  co_await stream_events(group, writer);
}

boost::asio::awaitable<Api<Json>> collect_completions(const CompletionCall& call,
                                                      const CompletionAnswerOptions& options,
                                                      GenerationGroup& group) {
  const CollectOptions collect{.n_choices = call.best_of,
                               .keep_tokens = call.fields.sampling.n_logprobs >= 0};
  std::vector<std::vector<ChoiceAnswer>> answers;
  UsageTotals usage;
  for (size_t i = 0; i < group.size(); ++i) {
    Api<std::vector<ChoiceAnswer>> choices = co_await collect_answers(group[i], collect);
    if (!choices) {
      co_return refuse(std::move(choices.error()));
    }
    for (uint32_t j = 0; j < choices->size(); ++j) {
      usage.add(j, (*choices)[j].usage);
    }
    answers.push_back(call.best_of > call.fields.n
                          ? best_choices(std::move(*choices), call.fields.n)
                          : std::move(*choices));
  }
  const TokenTexts texts{.tokenizer = group[0].lease().model().tokenizer(),
                         .stop_tokens = call.fields.sampling.stop_tokens};
  Json body = completion_answer(options, answers, texts);
  body["usage"] = usage_json(usage);
  co_return body;
}

}  // namespace

boost::asio::awaitable<Api<PromptTokens>> prompt_tokens(ServerContext& context,
                                                        const ModelLease& lease,
                                                        std::vector<PromptInput> inputs) {
  const LoadedModel& model = lease.model();
  size_t n_bytes = 0;
  for (const PromptInput& input : inputs) {
    n_bytes += n_bytes_of(input);
  }
  if (n_bytes < kOffloadBytes) {
    co_return tokens_of_all(model, inputs);
  }
  auto work = [&model, owned = std::move(inputs)]() mutable { return tokens_of_all(model, owned); };
  Api<PromptTokens> tokens = co_await context.offload.run(n_bytes, std::move(work));
  co_return std::move(tokens);
}

Task completions(Exchange& exchange, ServerContext& context) {
  Api<CompletionCall> call = co_await read_body(exchange, context, read_completion_call);
  if (!call) {
    co_await send_error(exchange, std::move(call.error()), Dialect::openai);
    co_return;
  }
  Api<CompletionPlan> plan = co_await plan_completions(exchange, context, *call);
  if (!plan) {
    co_await send_error(exchange, std::move(plan.error()), Dialect::openai);
    co_return;
  }
  GenerationGroup group(exchange);
  Api<void> started = start_completions(context, *plan, group);
  if (!started) {
    co_await send_error(exchange, std::move(started.error()), Dialect::openai);
    co_return;
  }
  CompletionAnswerOptions options = completion_options(*call, *plan);
  if (call->fields.stream) {
    const TokenTexts texts{.tokenizer = group[0].lease().model().tokenizer(),
                           .stop_tokens = call->fields.sampling.stop_tokens};
    co_await stream_completions(std::move(options), group, texts);
    co_return;
  }
  Api<Json> body = co_await collect_completions(*call, options, group);
  if (!body) {
    co_await send_error(exchange, std::move(body.error()), Dialect::openai);
    co_return;
  }
  co_await send_json(exchange, std::move(*body));
}

}  // namespace quern::server
