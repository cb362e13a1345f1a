// quern: the command line. Each subcommand is one thin file beside this one.
#include <array>

#include "commands.h"
#include "report.h"

namespace {

using namespace quern::app;

constexpr std::array<Register, 4> kCommands = {
    register_tokenize,
    register_detokenize,
    register_list,
    register_show,
};

// Help and version are asked for; everything else that stops the parser is wrong usage.
int end_of_parsing(const CLI::App& app, const CLI::ParseError& reason) {
  if (reason.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    return app.exit(reason);
  }
  return report({.kind = quern::ErrorKind::usage,
                 .where = "usage",
                 .what = reason.what(),
                 .expected = "flags and arguments as `quern --help` lists them"});
}

}  // namespace

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
