#include "input_file.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "text/printable.h"

namespace quern::app {
namespace {

// The standard input stays open for whoever else reads it.
int keep_open(std::FILE* /*file*/) {
  return 0;
}

std::unexpected<Error> unreadable(const std::string& name, const InputFile::Purpose& purpose,
                                  int code) {
  return fail({.kind = kind_of_open_error(code),
               .where = purpose.where,
               .what = fmt::format("cannot read {}: {}", name, std::strerror(code)),
               .expected = purpose.expected});
}

}  // namespace

ErrorKind kind_of_open_error(int code) {
  const bool is_users_fault = code == ENOENT || code == ENOTDIR || code == EISDIR ||
                              code == EACCES || code == ELOOP || code == ENAMETOOLONG;
  return is_users_fault ? ErrorKind::not_found : ErrorKind::io;
}

Result<InputFile> InputFile::open(const std::string& path, Purpose purpose) {
  if (path == "-") {
    return InputFile("the standard input", std::move(purpose), {stdin, &keep_open});
  }
  std::string name = fmt::format("'{}'", printable(path, 200));
  Handle file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) {
    return unreadable(name, purpose, errno);
  }
  return InputFile(std::move(name), std::move(purpose), std::move(file));
}

Result<std::string> InputFile::read_all() {
  std::string text;
  std::array<char, 1 << 16> buffer;
  while (true) {
    errno = 0;
    const size_t n = std::fread(buffer.data(), 1, buffer.size(), file_.get());
    text.append(buffer.data(), n);
    if (text.size() > purpose_.max_bytes) {
      return too_long();
    }
    if (n < buffer.size()) {
      if (std::ferror(file_.get()) != 0) {
        return cannot_read(errno);
      }
      return text;
    }
  }
}

Result<bool> InputFile::read_line(std::string& line) {
  line.clear();
  errno = 0;
  for (int c = std::getc(file_.get()); c != EOF; c = std::getc(file_.get())) {
    if (c == '\n') {
      return true;
    }
    if (line.size() == purpose_.max_bytes) {
      return too_long();
    }
    line += static_cast<char>(c);
  }
  if (std::ferror(file_.get()) != 0) {
    return cannot_read(errno);
  }
  return !line.empty();
}

std::unexpected<Error> InputFile::cannot_read(int code) const {
  return unreadable(name_, purpose_, code);
}

std::unexpected<Error> InputFile::too_long() const {
  return fail({.where = purpose_.where,
               .what = fmt::format("{} is longer than {} MiB", name_, purpose_.max_bytes >> 20),
               .expected = purpose_.expected});
}

}  // namespace quern::app
