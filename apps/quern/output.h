// The standard output of the commands. What could not be written is told once, when the command is
// over: a script must never take half a result for a whole one.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace quern::app {

// Writes the bytes; an error here may be left to finish_output, unless more would be computed in
// vain. A reader that has left (`quern list | head -1`) ends the process with exit code 0.
Status write_output(std::string_view bytes);

// fmt::print without its exceptions: errors are left to finish_output.
template <typename... Args>
void print_out(fmt::format_string<Args...> format, Args&&... args) {
  (void)write_output(fmt::format(format, std::forward<Args>(args)...));
}

// The same to stderr, which nobody needs to be listening to.
template <typename... Args>
void print_err(fmt::format_string<Args...> format, Args&&... args) {
  std::fputs(fmt::format(format, std::forward<Args>(args)...).c_str(), stderr);
}

// Flushes the standard output. The exit code of a command that ended with `code`: that code, or the
// one of an error on stderr when something written did not arrive. That a reader has left (a
// closed pipe) is no error.
int finish_output(int code);

}  // namespace quern::app
