// quern: the command line. Each subcommand is one thin file beside this one.
#include "commands.h"

int main(int argc, char** argv) {
  CLI::App app{"Quern: runs language models in GGUF files"};
  app.set_version_flag("--version", QUERN_VERSION);
  quern::app::Action action;
  CLI11_PARSE(app, argc, argv);
  return action ? action() : 0;
}
