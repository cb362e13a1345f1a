#include "server/openai_completions.h"

#include <fmt/format.h>

#include <utility>

#include "server/chat_prompt.h"
#include "server/generation_group.h"
#include "server/reply.h"
#include "server/request_id.h"

namespace quern::server {
namespace {

struct Prompts {
  std::vector<std::vector<TokenId>> tokens;
  std::vector<std::string> texts;  // with echo
};

boost::asio::awaitable<Api<Prompts>> make_prompts(ServerContext& context, const ModelLease& lease,
                                                  CompletionCall& call) {
  const Tokenizer& tokenizer = lease.model().tokenizer();
  Prompts prompts;
  for (PromptInput& input : call.prompts) {
    const auto* text = std::get_if<std::string>(&input);
    std::string echo = call.echo && text != nullptr ? *text : std::string();
    Api<std::vector<TokenId>> tokens = co_await prompt_tokens(context, lease, std::move(input));
    if (!tokens) {
      co_return refuse(std::move(tokens.error()));
    }
    if (call.echo) {
      prompts.texts.push_back(text != nullptr ? std::move(echo) : tokenizer.decode(*tokens, {}));
    }
    prompts.tokens.push_back(std::move(*tokens));
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

boost::asio::awaitable<Api<void>> start_completions(ServerContext& context, CompletionPlan& plan,
                                                    GenerationGroup& group) {
  Exchange& exchange = group.exchange();
  PromptCrowd crowd{.n_prompts = static_cast<uint32_t>(plan.prompts.tokens.size())};
  for (const std::vector<TokenId>& prompt : plan.prompts.tokens) {
    crowd.n_tokens += prompt.size();
  }
  if (auto error = crowd_error(crowd, plan.lease.engine().queue_limits())) {
    co_return refuse(std::move(*error));
  }
  plan.spec.crowd = crowd;
  for (std::vector<TokenId>& prompt : plan.prompts.tokens) {
    ModelWish wish(plan.lease.name(), plan.spec.schedule);
    Api<ModelLease> lease = co_await acquire_model(exchange, context, std::move(wish));
    if (!lease) {
      co_return refuse(std::move(lease.error()));
    }
    GenerationSpec spec = plan.spec;
    spec.prompt = std::move(prompt);
    Api<std::unique_ptr<Generation>> generation =
        Generation::start(exchange, context, {std::move(*lease), std::move(spec)});
    if (!generation) {
      co_return refuse(std::move(generation.error()));
    }
    group.add(std::move(*generation));
  }
  co_return Api<void>();
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

boost::asio::awaitable<Api<std::vector<TokenId>>> prompt_tokens(ServerContext& context,
                                                                const ModelLease& lease,
                                                                PromptInput input) {
  if (auto* text = std::get_if<std::string>(&input)) {
    Api<std::vector<TokenId>> tokens = co_await text_tokens(context, lease, std::move(*text));
    co_return tokens;
  }
  auto& ids = std::get<std::vector<TokenId>>(input);
  const Tokenizer& tokenizer = lease.model().tokenizer();
  if (const std::optional<TokenId> unknown = first_unknown(ids, tokenizer)) {
    std::string message = fmt::format("the prompt has token {}; expected ids below {}",
                                      value(*unknown), tokenizer.vocab_size());
    co_return refuse(bad_field("prompt", std::move(message)));
  }
  co_return std::move(ids);
}

Task completions(Exchange& exchange, ServerContext& context) {
  Api<CompletionCall> call = read_completion_call(exchange.request().body);
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
  Api<void> started = co_await start_completions(context, *plan, group);
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
