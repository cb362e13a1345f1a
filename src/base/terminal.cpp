#include "base/terminal.h"

#include <unistd.h>

namespace quern {

bool is_terminal(StandardStream stream) {
  switch (stream) {
    case StandardStream::in:
      return isatty(STDIN_FILENO) == 1;
    case StandardStream::out:
      return isatty(STDOUT_FILENO) == 1;
    case StandardStream::err:
      return isatty(STDERR_FILENO) == 1;
  }
  return false;
}

}  // namespace quern
