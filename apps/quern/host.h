// The places on this machine, from the environment; the only reader of these variables.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/discovery.h"

namespace quern::app {

// HOME, QUERN_MODELS (the model store; default ~/.quern/models), OLLAMA_MODELS, HF_HUB_CACHE,
// HF_HOME, LLAMA_CACHE, XDG_CACHE_HOME. `folders` are those that the user named on the command
// line.
HostPaths host_paths(const std::vector<std::string>& folders = {});

// QUERN_ISA: the instruction set to use instead of the best that the machine has.
std::optional<std::string> forced_isa();

// QUERN_FAIL_POINTS: faults that a test orders (fail_point.h says how); usually empty.
std::string ordered_faults();

// False where the user wants none (NO_COLOR) or the terminal has none (TERM=dumb).
bool wants_colour();

}  // namespace quern::app
