// One registration function per subcommand; each lives in a file of its own.
#pragma once

#include <functional>

#include <CLI/CLI.hpp>

namespace quern::app {

// What the chosen subcommand does once the flags are parsed; returns the exit code.
using Action = std::function<int()>;

// Adds a subcommand to `app`; its callback stores what to do in `action`.
using Register = void (*)(CLI::App& app, Action& action);

// In the order in which --help lists them; main.cpp has the same list.
void register_run(CLI::App& app, Action& action);
void register_tokenize(CLI::App& app, Action& action);
void register_detokenize(CLI::App& app, Action& action);
void register_template(CLI::App& app, Action& action);
void register_logits(CLI::App& app, Action& action);
void register_perplexity(CLI::App& app, Action& action);
void register_bench(CLI::App& app, Action& action);
void register_show(CLI::App& app, Action& action);
void register_list(CLI::App& app, Action& action);
void register_serve(CLI::App& app, Action& action);

}  // namespace quern::app
