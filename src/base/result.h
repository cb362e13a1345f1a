// Errors as values: what can fail because of outside input returns Result<T>, never throws.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace quern {

// Decides the exit code of the command line and the status of an HTTP answer.
enum class ErrorKind {
  invalid_input,  // a file, template or request is at fault
  not_found,      // the thing named does not exist
  unsupported,    // valid, but outside what this build can do
  usage,          // flags or arguments used wrongly
  out_of_memory,  // the machine has too little memory
  io,             // the machine could not read or write
  device,         // an accelerator failed
  cancelled,      // the user or client gave up
};

// One failure, told in one line: where it happened, what was found, what was expected instead.
struct Error {
  ErrorKind kind = ErrorKind::invalid_input;
  std::string where;     // subsystem, e.g. "gguf"
  std::string what;      // what was found
  std::string expected;  // what would have been right, or what to do next; may be empty
  // The path of the file that is at fault; empty where none is. Apart from `what`, because folders
  // are for the operator's eyes: what a server tells its clients has the name alone.
  std::string file = {};

  // "[where] 'file': what; expected ...", without the program's name, and always one line: control
  // characters, which may come from a file, are escaped (\n, \x1b).
  std::string to_string() const;
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

// 0 is success; 1 input, 2 usage, 3 machine, 130 interrupted (the command line's contract).
int exit_code(ErrorKind kind);

inline std::unexpected<Error> fail(Error error) {
  return std::unexpected<Error>(std::move(error));
}

// Says in which file, unless the error does: one of a split model's parts, say.
inline std::unexpected<Error> fail_in(std::string file, Error error) {
  if (error.file.empty()) {
    error.file = std::move(file);
  }
  return fail(std::move(error));
}

}  // namespace quern

#define QUERN_CONCAT_IMPL(a, b) a##b
#define QUERN_CONCAT(a, b) QUERN_CONCAT_IMPL(a, b)

// Returns the error of `expr` to the caller, if there is one.
#define QUERN_TRY(expr)                                                           \
  do {                                                                            \
    auto quern_status_ = (expr);                                                  \
    if (!quern_status_) return std::unexpected(std::move(quern_status_).error()); \
  } while (false)

// NOLINTBEGIN(bugprone-macro-parentheses): a declaration cannot stand in parentheses.
// QUERN_ASSIGN(auto x, f()): x takes f()'s value, or the function returns f()'s error.
#define QUERN_ASSIGN_IMPL(result, declaration, expr)              \
  auto result = (expr);                                           \
  if (!result) return std::unexpected(std::move(result).error()); \
  declaration = std::move(*result)
#define QUERN_ASSIGN(declaration, ...) \
  QUERN_ASSIGN_IMPL(QUERN_CONCAT(quern_result_, __LINE__), declaration, (__VA_ARGS__))
// NOLINTEND(bugprone-macro-parentheses)
