#include "base/result.h"

#include <fmt/format.h>

namespace quern {

std::string Error::to_string() const {
  if (expected.empty()) {
    return fmt::format("[{}] {}", where, what);
  }
  return fmt::format("[{}] {}; expected {}", where, what, expected);
}

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_input:
    case ErrorKind::not_found:
    case ErrorKind::unsupported:
      return 1;
    case ErrorKind::usage:
      return 2;
    case ErrorKind::out_of_memory:
    case ErrorKind::io:
    case ErrorKind::device:
      return 3;
    case ErrorKind::cancelled:
      return 130;
  }
  return 3;
}

}  // namespace quern
