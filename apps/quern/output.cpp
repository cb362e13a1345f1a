#include "output.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "report.h"

namespace quern::app {
namespace {

// `code` is errno, or 0 where it is not known any more.
Error cannot_write(int code) {
  return {.kind = ErrorKind::io,
          .where = "output",
          .what = code == 0
                      ? std::string("cannot write to the standard output")
                      : fmt::format("cannot write to the standard output: {}", std::strerror(code)),
          .expected = "a standard output that can be written"};
}

}  // namespace

Status write_output(std::string_view bytes) {
  errno = 0;
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size()) {
    if (errno == EPIPE) {
      std::_Exit(0);  // nobody reads what this command is for
    }
    return fail(cannot_write(errno));
  }
  return {};
}

int finish_output(int code) {
  const bool lost_before = std::ferror(stdout) != 0;
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  const int error = flushed ? 0 : errno;
  const bool arrived = (!lost_before && flushed) || error == EPIPE;
  // A command that failed has told why.
  return arrived || code != 0 ? code : report(cannot_write(error));
}

}  // namespace quern::app
