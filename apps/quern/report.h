// How the commands tell of failures, and write numbers of bytes.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace quern::app {

// Prints "quern: [where] what; expected ..." on stderr; returns the exit code that goes with it.
int report(const Error& error);

// "96.6 MB": decimal units, three digits.
std::string human_bytes(uint64_t n_bytes);

// "134.5M": a count of parameters.
std::string human_count(uint64_t n);

}  // namespace quern::app
