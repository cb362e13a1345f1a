// Text that a command reads from a file or from the standard input, whole or line by line.
// Not thread-safe. Owns the open file.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "base/result.h"

namespace quern::app {

// Far beyond any prompt or text to measure, and an end for a file that has none (/dev/zero).
inline constexpr uint64_t kMaxInputBytes = uint64_t{256} << 20;

// Of a file that fopen() refused with this errno: whether the user named it wrongly or the machine
// failed.
ErrorKind kind_of_open_error(int code);

class InputFile {
 public:
  struct Purpose {
    std::string where;                    // the command, for errors
    std::string expected;                 // what the file ought to be, for errors
    uint64_t max_bytes = kMaxInputBytes;  // of the whole, or of one line
  };

  // "-" is the standard input. Errors here and below: what cannot be opened or read, a folder among
  // it, and what is longer than max_bytes.
  static Result<InputFile> open(const std::string& path, Purpose purpose);

  Result<std::string> read_all();
  // The next line without its newline; false at the end.
  Result<bool> read_line(std::string& line);

 private:
  using Handle = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

  InputFile(std::string name, Purpose purpose, Handle file)
      : name_(std::move(name)), purpose_(std::move(purpose)), file_(std::move(file)) {}
  std::unexpected<Error> cannot_read(int code) const;
  std::unexpected<Error> too_long() const;

  std::string name_;  // as errors call it
  Purpose purpose_;
  Handle file_;
};

}  // namespace quern::app
