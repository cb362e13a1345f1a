// The conversation in the terminal: prompts with line editing, answers as they come, /commands.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "generation.h"
#include "session.h"

namespace quern::app {

struct ReplOptions {
  GenerationFlags generation;
  std::optional<std::string> system;
  bool raw = false;    // no chat template: each prompt stands alone
  bool stats = false;  // print the JSON line after each answer
  int64_t load_us = 0;
};

// Until the user leaves. Standard input and output must be terminals.
Status run_repl(const Session& session, ReplOptions options);

}  // namespace quern::app
