// Errors of templates. They are made without a place; the parser or the interpreter adds the line.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace quern::jinja {

// Like the exceptions of Python and Jinja, whose messages are kept where a template can rely on
// them.
inline std::unexpected<Error> raise(std::string message, std::string expected = {}) {
  return fail({.kind = ErrorKind::invalid_input,
               .where = {},
               .what = std::move(message),
               .expected = std::move(expected)});
}

// Adds the line, unless the error has one.
inline Error at_line(Error error, unsigned line) {
  if (error.where.empty()) {
    error.where = "template";
    error.what = "line " + std::to_string(line) + ": " + error.what;
  }
  return error;
}

inline std::unexpected<Error> raise_at(unsigned line, std::string message,
                                       std::string expected = {}) {
  return std::unexpected(at_line(raise(std::move(message), std::move(expected)).error(), line));
}

}  // namespace quern::jinja
