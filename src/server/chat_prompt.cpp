#include "server/chat_prompt.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/plain_prompt.h"
#include "server/offload.h"

namespace quern::server {
namespace {

// Below, rendering and encoding take less time than handing them to another thread and back.
constexpr size_t kBytesOfWeight = 64;  // of text, for 1 in jinja::Value::weight()
constexpr size_t kOffloadWeight = 256;
// A template may do much with little: it comes with a downloaded file.
constexpr uint64_t kQuickFuel = 3'000'000;  // about 3 ms
constexpr size_t kQuickBytes = size_t{64} * 1024;
constexpr size_t kOffloadBytes = size_t{16} * 1024;

std::string special_text(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  return id ? std::string(tokenizer.token_bytes(*id)) : std::string();
}

struct ChatWork {
  const ModelLease& lease;
  const ChatInput& input;
  ChatTemplate chat_template;                              // the model's
  size_t most_bytes = std::numeric_limits<size_t>::max();  // of the prompt
};

Result<ChatTokens> make_chat_tokens(const ChatWork& work) {
  const ModelLease& lease = work.lease;
  const ChatInput& input = work.input;
  const LoadedModel& model = lease.model();
  const Tokenizer& tokenizer = model.tokenizer();
  const RenderTexts texts{.bos_token = special_text(tokenizer, tokenizer.special().bos),
                          .eos_token = special_text(tokenizer, tokenizer.special().eos),
                          .now = local_time()};
  Result<std::string> rendered = render_chat(work.chat_template, input, texts);
  if (!rendered) {
    rendered.error().what = "the model's chat template: " + rendered.error().what;
    return fail(std::move(rendered.error()));
  }
  const std::string prompt = std::move(*rendered);
  if (prompt.size() > work.most_bytes) {
    return fail({.where = "template", .what = "the prompt is too long", .expected = "less"});
  }
  ChatTokens chat;
  if (input.must_fit && cannot_fit(lease, input.field, prompt.size())) {
    chat.n_unfit_bytes = prompt.size();
    return chat;
  }
  QUERN_ASSIGN(chat.tokens,
               tokenizer.encode(prompt, {.add_special = false, .parse_special = true}));
  const std::string source(model.card().string("tokenizer.chat_template").value_or(""));
  chat.format = detect_answer_format(source, prompt, !input.tool_names.empty());
  chat.format.tool_names = input.tool_names;
  chat.can_reason = !chat.format.think_close.empty() || source.contains("reasoning_effort");
  chat.leaves_tools_out =
      !input.tool_names.empty() &&
      (!source.contains("tools") ||
       leaves_tools_out(work.chat_template, input, {.texts = texts, .prompt = prompt}));
  return chat;
}

// What is there of the input after it was given away.
struct Wishes {
  std::string field;
  std::string reasoning_field;
  const ModelLease& lease;
};

// Nothing that a request asks for is dropped without a word.
Api<ChatTokens> checked(Result<ChatTokens> made, const Wishes& wishes) {
  if (!made) {
    return refuse(from_error(made.error()));
  }
  if (made->n_unfit_bytes > 0) {
    return refuse(*cannot_fit(wishes.lease, wishes.field, made->n_unfit_bytes));
  }
  if (made->leaves_tools_out) {
    ApiError error = bad_field(
        "tools", fmt::format("tools is not supported: the model '{}' does not support tools (its "
                             "chat template leaves them out)",
                             wishes.lease.name()));
    error.code = "unsupported";
    return refuse(std::move(error));
  }
  if (!wishes.reasoning_field.empty() && !made->can_reason) {
    return refuse(no_thinking(wishes.reasoning_field, wishes.lease.name()));
  }
  return std::move(*made);
}

template <typename T>
Api<T> to_api(Result<T> result) {
  if (!result) {
    return refuse(from_error(result.error()));
  }
  return std::move(*result);
}

}  // namespace

boost::asio::awaitable<Api<ChatTokens>> chat_tokens(ServerContext& context, const ModelLease& lease,
                                                    ChatInput input) {
  if (lease.model().chat_template() == nullptr) {
    ApiError error{.code = "no_chat_template",
                   .param = input.field,
                   .message = fmt::format("the model '{}' {}; expected a prompt for {}",
                                          lease.name(), why_no_template(lease.model()),
                                          "/v1/completions, or raw in /api/generate")};
    co_return refuse(std::move(error));
  }
  const Wishes wishes{
      .field = input.field, .reasoning_field = input.reasoning_field, .lease = lease};
  const size_t weight = input.messages.weight() + input.tools.weight();
  size_t n_bytes = weight * kBytesOfWeight;
  const ChatTemplate& chat_template = *lease.model().chat_template();
  if (weight < kOffloadWeight) {
    Result<ChatTokens> made =
        make_chat_tokens({.lease = lease,
                          .input = input,
                          .chat_template = chat_template.with_fuel(kQuickFuel),
                          .most_bytes = kQuickBytes});
    if (made) {
      co_return checked(std::move(made), wishes);
    }
    n_bytes =
        Offload::kBulkBytes + 1;  // perhaps for want of fuel: with all of it this is slow work
  }
  // The lease, held by the caller, keeps the model.
  auto work = [&lease, &chat_template, owned = std::move(input)] {
    return make_chat_tokens({.lease = lease, .input = owned, .chat_template = chat_template});
  };
  Result<ChatTokens> made = co_await context.offload.run(n_bytes, std::move(work));
  co_return checked(std::move(made), wishes);
}

void ask_thinking(ChatInput& input, std::string field, bool is_on) {
  // Both names that templates use for the switch.
  input.variables.emplace_back("enable_thinking", jinja::Value::boolean(is_on));
  input.variables.emplace_back("thinking", jinja::Value::boolean(is_on));
  input.reasoning_field = is_on ? std::move(field) : std::string();
}

void ask_effort(ChatInput& input, std::string field, const std::string& effort) {
  ask_thinking(input, std::move(field), effort != "none");
  input.variables.emplace_back("reasoning_effort", jinja::Value::string(effort));
}

ApiError no_thinking(const std::string& field, const std::string& model) {
  ApiError error = bad_field(
      field,
      fmt::format("{} is not supported: the model '{}' does not support thinking", field, model));
  error.code = "unsupported";
  return error;
}

std::optional<TokenId> first_unknown(std::span<const TokenId> ids, const Tokenizer& tokenizer) {
  const uint32_t vocab_size = tokenizer.vocab_size();
  const auto found = std::ranges::find_if(
      ids, [vocab_size](TokenId id) { return static_cast<uint32_t>(value(id)) >= vocab_size; });
  return found == ids.end() ? std::nullopt : std::optional(*found);
}

boost::asio::awaitable<Api<std::vector<TokenId>>> text_tokens(ServerContext& context,
                                                              const ModelLease& lease,
                                                              std::string text) {
  const LoadedModel& model = lease.model();
  const size_t n_bytes = text.size();
  if (n_bytes < kOffloadBytes) {
    co_return to_api(raw_prompt(model, text));
  }
  auto work = [&model, owned = std::move(text)] { return raw_prompt(model, owned); };
  Result<std::vector<TokenId>> made = co_await context.offload.run(n_bytes, std::move(work));
  co_return to_api(std::move(made));
}

}  // namespace quern::server
