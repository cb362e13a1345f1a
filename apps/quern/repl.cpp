#include "repl.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>
#include <utility>

#include "answer.h"
#include "base/interrupt.h"
#include "base/system_info.h"
#include "conversation.h"
#include "host.h"
#include "line_editor.h"
#include "report.h"
#include "settings.h"
#include "text/printable.h"

namespace quern::app {
namespace {

constexpr std::string_view kPrompt = ">>> ";
constexpr std::string_view kMorePrompt = "... ";
constexpr std::string_view kFence = "\"\"\"";

constexpr std::string_view kHelp =
    R"(  /set [NAME [VALUE]]  change how answers are drawn; without a value, back to the default
  /system [TEXT]       instructions for the whole conversation; without text, none
  /clear               forget the conversation
  /stats               numbers of the last answer
  /help                this list
  /bye                 leave (or Ctrl-D)
  """                  begins and ends a message of several lines
  Ctrl-C               stops an answer, or forgets the line being typed
)";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  return begin == std::string_view::npos
             ? std::string_view()
             : text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// The first word, and what follows it.
std::pair<std::string_view, std::string_view> split_word(std::string_view text) {
  const size_t end = std::min(text.find_first_of(" \t"), text.size());
  return {text.substr(0, end), trimmed(text.substr(end))};
}

class Repl {
 public:
  Repl(const Session& session, ReplOptions options, LineEditor editor)
      : session_(session),
        options_(std::move(options)),
        settings_{.generation = options_.generation, .system = options_.system},
        conversation_(*session.model, options_.raw),
        editor_(std::move(editor)) {
    conversation_.set_system(settings_.system);
  }

  Status run();

 private:
  // What was typed up to its end, over several lines where the user fences it.
  Line read_message();
  Line read_block(std::string text);
  // False when the user leaves.
  bool command(std::string_view line);
  void set(std::string_view arguments);
  void set_system(std::string_view text);
  void show_stats() const;

  void answer(std::string question);
  Status try_answer(std::string question);
  void conclude(Answer answer);
  Conversation::Room room() const;
  void say_quietly(const std::string& text) const;

  const Session& session_;
  ReplOptions options_;
  Settings settings_;
  Conversation conversation_;
  LineEditor editor_;
  AnswerOutput output_;
  std::optional<Answer> last_;
  bool has_colour_ = wants_colour();
};

void Repl::say_quietly(const std::string& text) const {
  fmt::print("{}{}{}\n", has_colour_ ? "\x1b[90m" : "", text, has_colour_ ? "\x1b[0m" : "");
  std::fflush(stdout);
}

Status Repl::run() {
  const auto& card = session_.model->card();
  const std::string name = printable(card.string("general.name").value_or("model"), 60);
  say_quietly(fmt::format("{}, {} tokens of context. /help lists commands, /bye leaves.", name,
                          session_.engine->max_context()));
  while (output_.write({})) {
    const Line line = read_message();
    const std::string_view text = trimmed(line.text);
    if (line.end == LineEnd::end_of_input) {
      fmt::print("\n");
      break;
    }
    if (text.starts_with('/') && line.text.find('\n') == std::string::npos) {
      if (!command(text)) {
        break;
      }
    } else if (!text.empty()) {
      answer(options_.raw ? line.text : std::string(text));
    }
  }
  return output_.status();
}

Line Repl::read_message() {
  Line line = editor_.read(kPrompt);
  if (line.end != LineEnd::entered || trimmed(line.text).empty()) {
    return line;
  }
  editor_.remember(line.text);
  if (!trimmed(line.text).starts_with(kFence)) {
    return line;
  }
  return read_block(std::string(trimmed(line.text).substr(kFence.size())));
}

// `text` is what stands behind the opening fence.
Line Repl::read_block(std::string text) {
  while (!text.ends_with(kFence)) {
    Line line = editor_.read(kMorePrompt);
    if (line.end != LineEnd::entered) {
      return line;
    }
    if (!line.text.empty()) {
      editor_.remember(line.text);
    }
    text += (text.empty() ? "" : "\n") + line.text;
  }
  text.resize(text.size() - kFence.size());
  // A message of several lines is never taken as a command.
  return {.end = LineEnd::entered, .text = text + "\n"};
}

bool Repl::command(std::string_view line) {
  const auto [name, arguments] = split_word(line);
  if (name == "/bye" || name == "/exit" || name == "/quit") {
    return false;
  }
  if (name == "/help" || name == "/?") {
    fmt::print("{}", kHelp);
  } else if (name == "/set") {
    set(arguments);
  } else if (name == "/system") {
    set_system(arguments);
  } else if (name == "/clear") {
    conversation_.clear();
    say_quietly("(the conversation is forgotten)");
  } else if (name == "/stats") {
    show_stats();
  } else {
    report({.kind = ErrorKind::usage,
            .where = "repl",
            .what = "there is no command '" + printable(name) + "'",
            .expected = "one that /help lists"});
  }
  return true;
}

void Repl::set(std::string_view arguments) {
  const auto [name, value] = split_word(arguments);
  if (name.empty()) {
    fmt::print("{}", list_settings(settings_, *session_.model));
    return;
  }
  if (name == "system") {
    set_system(value);
    return;
  }
  const Status status = change_setting(settings_, name, value);
  if (status) {
    say_quietly(value.empty() ? fmt::format("({} is the default again)", printable(name))
                              : fmt::format("({} is {})", printable(name), printable(value)));
  } else {
    report(status.error());
  }
}

void Repl::set_system(std::string_view text) {
  if (options_.raw) {
    fmt::print(stderr, "quern: system instructions need a chat template\n");
    return;
  }
  if (const Status status = change_setting(settings_, "system", text); !status) {
    report(status.error());
    return;
  }
  conversation_.set_system(settings_.system);
  say_quietly(text.empty() ? "(no instructions)" : "(instructions are set)");
}

void Repl::show_stats() const {
  if (!last_) {
    say_quietly("(no answer yet)");
    return;
  }
  say_quietly(stats_text(*last_));
  say_quietly(fmt::format(
      "{} turns; {} of {} tokens of context; {} at the peak; loaded in {} ms",
      conversation_.n_turns(), last_->usage.prompt_tokens + last_->usage.completion_tokens,
      session_.engine->max_context(), human_bytes(peak_rss_bytes()), options_.load_us / 1000));
}

// Before turns are dropped, a quarter of the context is kept for the answer, or what it may take.
Conversation::Room Repl::room() const {
  const uint32_t n_context = session_.engine->max_context();
  return {.n_context = n_context,
          .n_answer = std::min(settings_.generation.max_tokens.value_or(n_context), n_context / 4)};
}

void Repl::answer(std::string question) {
  clear_interrupt();
  if (const Status status = try_answer(std::move(question)); !status) {
    report(status.error());
  }
  clear_interrupt();
}

Status Repl::try_answer(std::string question) {
  const int64_t asked_us = monotonic_us();
  QUERN_ASSIGN(Conversation::Prompt prompt, conversation_.ask(std::move(question), room()));
  if (prompt.n_dropped_turns > 0) {
    say_quietly(fmt::format("(the context of {} tokens is full: the oldest {} forgotten)",
                            session_.engine->max_context(),
                            prompt.n_dropped_turns == 1
                                ? "turn is"
                                : fmt::format("{} turns are", prompt.n_dropped_turns)));
  }
  const GenerationFlags& flags = settings_.generation;
  auto answer = ask(*session_.engine,
                    {.prompt = std::move(prompt.tokens),
                     .sampling = sampling_params(flags, *session_.model),
                     .max_tokens = flags.max_tokens.value_or(session_.engine->max_context()),
                     .stop = flags.stop,
                     .asked_us = asked_us},
                    output_);
  if (!answer) {
    conversation_.take_back();
    return std::unexpected(std::move(answer).error());
  }
  conclude(std::move(*answer));
  return {};
}

void Repl::conclude(Answer answer) {
  output_.end_line();
  if (answer.text.empty()) {
    conversation_.take_back();
  } else {
    conversation_.answer(answer.text);
  }
  if (answer.finish == FinishReason::error) {
    fmt::print(stderr, "quern: {}\n", answer.error);
  } else if (answer.interrupted) {
    say_quietly("(stopped)");
  } else if (answer.finish == FinishReason::length) {
    say_quietly(fmt::format("(ended after {} tokens: {})", answer.usage.completion_tokens,
                            answer.usage.prompt_tokens + answer.usage.completion_tokens >=
                                    session_.engine->max_context()
                                ? "the context is full"
                                : "max_tokens is reached"));
  }
  if (options_.stats) {
    fmt::print(stderr, "{}\n", stats_json(answer, options_.load_us));
  }
  fmt::print("\n");
  last_ = std::move(answer);
}

}  // namespace

Status run_repl(const Session& session, ReplOptions options) {
  handle_interrupts(OnInterrupt::flag);
  const std::filesystem::path home = host_paths().home;
  QUERN_ASSIGN(LineEditor editor,
               LineEditor::create(home.empty() ? home : home / ".quern/history"));
  return Repl(session, std::move(options), std::move(editor)).run();
}

}  // namespace quern::app
