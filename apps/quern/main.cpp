// quern: the command line. Each subcommand is one thin file beside this one.
#include <array>
#include <string>
#include <vector>

#include "commands.h"
#include "gguf/meta_value.h"
#include "report.h"

namespace {

using namespace quern::app;

constexpr std::array<Register, 2> kCommands = {
    register_list,
    register_show,
};

// Help and version are asked for; everything else that stops the parser is wrong usage.
int end_of_parsing(const CLI::App& app, const CLI::ParseError& reason) {
  if (reason.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    return app.exit(reason);
  }
  const std::vector<std::string> unknown = app.remaining();
  const bool no_command = app.get_subcommands().empty();
  return report({.kind = quern::ErrorKind::usage,
                 .where = "usage",
                 .what = no_command && !unknown.empty()
                             ? "unknown command '" + quern::printable(unknown.front()) + "'"
                             : reason.what(),
                 .expected = no_command
                                 ? "a command that `quern --help` lists"
                                 : "flags and arguments as `quern COMMAND --help` lists them"});
}

}  // namespace

// Only running out of memory can throw here, and then there is nothing left to do but stop.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
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
