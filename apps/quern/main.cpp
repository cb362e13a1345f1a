// quern: the command line. Each subcommand is one thin file beside this one.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/interrupt.h"
#include "commands.h"
#include "output.h"
#include "report.h"
#include "text/printable.h"

namespace {

using namespace quern::app;

constexpr Register kCommands[] = {
    register_run,        register_tokenize, register_detokenize, register_template, register_logits,
    register_perplexity, register_bench,    register_show,       register_list,     register_serve,
};

// Quern's own validators say what they expected.
quern::Error usage_error(std::string what) {
  constexpr std::string_view kMark = "; expected ";
  const size_t mark = what.rfind(kMark);
  std::string expected = mark == std::string::npos
                             ? "flags and arguments as `quern COMMAND --help` lists them"
                             : what.substr(mark + kMark.size());
  what.resize(std::min(mark, what.size()));
  return {.kind = quern::ErrorKind::usage,
          .where = "usage",
          .what = std::move(what),
          .expected = std::move(expected)};
}

// Help and version are asked for; everything else that stops the parser is wrong usage.
int end_of_parsing(const CLI::App& app, const CLI::ParseError& reason) {
  if (reason.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    std::ostringstream text;
    const int code = app.exit(reason, text, text);
    print_out("{}", text.str());
    return code;
  }
  const std::vector<std::string> unknown = app.remaining();
  if (!app.get_subcommands().empty()) {
    return report(usage_error(reason.what()));
  }
  return report({.kind = quern::ErrorKind::usage,
                 .where = "usage",
                 .what = unknown.empty()
                             ? reason.what()
                             : "unknown command '" + quern::printable(unknown.front()) + "'",
                 .expected = "a command that `quern --help` lists"});
}

// Every command ends with an exit code, whatever a terminal or a pipe does to it; a command that
// treats an interrupt otherwise says so itself.
int run(int argc, char** argv) {
  quern::handle_interrupts(quern::OnInterrupt::exit);
  quern::ignore_broken_pipes();
  CLI::App app{"Quern: runs language models in GGUF files"};
  app.set_version_flag("--version", QUERN_VERSION);
  app.require_subcommand(1);
  Action action;
  for (const Register add : kCommands) {
    add(app, action);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& reason) {
    return end_of_parsing(app, reason);
  }
  return action();
}

}  // namespace

// Quern's own code returns its errors; what the standard library throws ends here, in one line.
int main(int argc, char** argv) {
  try {
    return finish_output(run(argc, argv));
  } catch (const std::bad_alloc&) {
    std::fputs("quern: [memory] out of memory; expected a smaller model or context\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "quern: [machine] %s\n", error.what());
  }
  return exit_code(quern::ErrorKind::out_of_memory);
}
