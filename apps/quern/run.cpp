// quern run: an answer to one prompt, or a conversation in the terminal.
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "answer.h"
#include "base/interrupt.h"
#include "base/system_info.h"
#include "base/terminal.h"
#include "commands.h"
#include "engine/plain_prompt.h"
#include "generation.h"
#include "gguf/validate.h"
#include "input_file.h"
#include "output.h"
#include "repl.h"
#include "report.h"
#include "session.h"

namespace quern::app {
namespace {

constexpr int kInterrupted = 130;

struct Options {
  ModelFlags model;
  GenerationFlags generation;
  uint32_t n_ctx = 0;
  std::optional<std::string> prompt;
  std::optional<std::string> system;
  bool raw = false;
  bool stats = false;
};

// The prompt from the command line, or else from stdin, where the newline that ends a typed line
// is not meant; a raw prompt is taken to the byte.
Result<std::string> prompt_text(const Options& options) {
  std::string text;
  if (options.prompt) {
    text = *options.prompt;
  } else {
    QUERN_ASSIGN(InputFile input, InputFile::open("-", {.where = "run", .expected = "a prompt"}));
    QUERN_ASSIGN(text, input.read_all());
  }
  if (!options.prompt && !options.raw && text.ends_with('\n')) {
    text.pop_back();
  }
  if (text.empty()) {
    return fail({.where = "run",
                 .what = "the prompt is empty",
                 .expected = "a question after the model's name, or on the standard input"});
  }
  return text;
}

// Whether prompts go to the model as they stand, which a model without a template forces. One that
// was made for a template answers badly without it: a broken one is left out only when asked.
Result<bool> is_raw(const Options& options, const LoadedModel& model) {
  if (options.raw || model.chat_template() != nullptr) {
    return options.raw;
  }
  if (model.template_error() != nullptr) {
    return fail({.where = "run",
                 .what = "the model " + why_no_template(model),
                 .expected = "--raw, which gives it the prompt as it stands"});
  }
  if (options.system) {
    return fail({.where = "run",
                 .what = "--system needs a chat template, and this model has none",
                 .expected = "the instructions in the prompt itself"});
  }
  print_err("quern: the model {}: the prompt goes to it as it stands\n", why_no_template(model));
  return true;
}

Result<std::vector<TokenId>> prompt_tokens(const Options& options, const LoadedModel& model,
                                           std::string text) {
  QUERN_ASSIGN(const bool raw, is_raw(options, model));
  if (raw) {
    return raw_prompt(model, text);
  }
  std::vector<ChatMessage> messages;
  if (options.system) {
    messages.push_back({.role = "system", .content = *options.system});
  }
  messages.push_back({.role = "user", .content = std::move(text)});
  return chat_prompt(model, std::move(messages));
}

// The exit code that an answer's end calls for.
Result<int> conclude(const Answer& answer, const AnswerOutput& output) {
  QUERN_TRY(output.status());
  if (answer.finish == FinishReason::error) {
    print_err("quern: {}\n", answer.error);
    return exit_code(answer.error_kind);
  }
  return answer.interrupted ? kInterrupted : 0;
}

Result<int> answer_once(const Options& options, const std::filesystem::path& path) {
  QUERN_ASSIGN(std::string text, prompt_text(options));
  QUERN_ASSIGN(const Session session, open_session(options.model, {path, options.n_ctx}));
  const int64_t load_us = process_age_us();
  const int64_t asked_us = monotonic_us();
  QUERN_ASSIGN(std::vector<TokenId> prompt,
               prompt_tokens(options, *session.model, std::move(text)));
  AnswerOutput output;
  handle_interrupts(OnInterrupt::flag_then_exit);
  const GenerationFlags& flags = options.generation;
  QUERN_ASSIGN(const Answer answer,
               ask(*session.engine,
                   {.prompt = std::move(prompt),
                    .sampling = sampling_params(flags, *session.model),
                    .max_tokens = flags.max_tokens.value_or(session.engine->max_context()),
                    .stop = flags.stop,
                    .asked_us = asked_us},
                   output));
  output.end_line();
  if (options.stats) {
    print_err("{}\n", stats_json(answer, load_us));
  }
  return conclude(answer, output);
}

Result<int> converse(const Options& options, const std::filesystem::path& path) {
  QUERN_ASSIGN(const Session session, open_session(options.model, {path, options.n_ctx}));
  const int64_t load_us = process_age_us();
  QUERN_ASSIGN(const bool raw, is_raw(options, *session.model));
  QUERN_TRY(run_repl(session, {.generation = options.generation,
                               .system = options.system,
                               .raw = raw,
                               .stats = options.stats,
                               .load_us = load_us}));
  return 0;
}

Result<int> run(const Options& options) {
  QUERN_TRY(check(options.generation, Spelling::flags));
  QUERN_ASSIGN(const std::filesystem::path path, find_model(options.model.name));
  const bool has_user = is_terminal(StandardStream::in) && is_terminal(StandardStream::out);
  return !options.prompt && has_user ? converse(options, path) : answer_once(options, path);
}

}  // namespace

void register_run(CLI::App& app, Action& action) {
  const auto options = std::make_shared<Options>();  // lives as long as the flags bound to it
  CLI::App* command =
      app.add_subcommand("run", "Answer a prompt, or talk with a model in the terminal");
  add_model_flags(*command, options->model);
  // Into a string of its own: an empty prompt is one that was given.
  const auto prompt = std::make_shared<std::string>();
  CLI::Option* given = command->add_option(
      "PROMPT", *prompt, "The prompt (default: standard input; a conversation on a terminal)");
  CLI::Option* raw =
      command->add_flag("--raw", options->raw,
                        "Give the prompt to the model as it stands, without its chat template");
  command->add_option("--system", options->system, "Instructions for the whole conversation")
      ->type_name("TEXT")
      ->excludes(raw);
  add_generation_flags(*command, options->generation);
  command
      ->add_option("--ctx", options->n_ctx,
                   "Tokens of context (default: the model's, as far as memory allows)")
      ->type_name("N")
      ->check(CLI::Range(2U, static_cast<uint32_t>(model_limits::kContext)));
  command->add_flag("--stats", options->stats, "Print one line of numbers as JSON on stderr");
  command->callback([options, prompt, given, &action] {
    if (given->count() > 0) {
      options->prompt = *prompt;
    }
    action = [options] {
      const Result<int> code = run(*options);
      return code ? *code : report(code.error());
    };
  });
}

}  // namespace quern::app
